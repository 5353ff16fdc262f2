-- A photograph is its content: one row per digest, however many files hold it.
CREATE TABLE photo (
    photo_id     INTEGER PRIMARY KEY,
    sha256       TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),  -- lower-case hex, of the file's bytes
    -- What the photo says about itself; NULL until it has been opened (examined_run) or when it cannot be (error).
    width        INTEGER,                 -- upright, pixels
    height       INTEGER,
    orientation  INTEGER CHECK (orientation BETWEEN 1 AND 8),       -- EXIF turn applied to get it upright
    format       TEXT,                    -- JPEG, PNG, HEIF, ...
    taken_at     TEXT,                    -- ISO 8601 local time; with offset only where the photo gives one
    camera       TEXT,
    latitude     REAL,                    -- degrees, north positive
    longitude    REAL,                    -- degrees, east positive
    warning      TEXT,                    -- it was read, but it is damaged
    error        TEXT,                    -- it cannot be read, and why
    examined_run INTEGER REFERENCES run
) STRICT;
CREATE INDEX photo_unexamined ON photo (photo_id) WHERE examined_run IS NULL;
CREATE INDEX photo_error ON photo (photo_id) WHERE error IS NOT NULL;
CREATE INDEX photo_taken ON photo (taken_at);

-- The content at one path changed: what was said about the faces of the old photo is offered to the new one, once,
-- when its faces are known (offered_run).
CREATE TABLE edit (
    edit_id      INTEGER PRIMARY KEY,
    old_photo_id INTEGER NOT NULL REFERENCES photo,
    new_photo_id INTEGER NOT NULL REFERENCES photo,
    made_run     INTEGER NOT NULL REFERENCES run,
    offered_run  INTEGER REFERENCES run,
    UNIQUE (old_photo_id, new_photo_id),
    CHECK (old_photo_id <> new_photo_id)
) STRICT;
CREATE INDEX edit_new ON edit (new_photo_id);
