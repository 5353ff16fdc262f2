-- That a detector looked at a photo. "No face" is a result too, and final: what has a row here is not due again.
CREATE TABLE detection (
    detection_id INTEGER PRIMARY KEY,
    photo_id     INTEGER NOT NULL REFERENCES photo ON DELETE CASCADE,
    detector     TEXT NOT NULL,           -- name, version and settings: what makes results comparable
    faces        INTEGER,                 -- how many it found; NULL when it failed
    error        TEXT,                    -- why it failed
    crashes      INTEGER NOT NULL DEFAULT 0,  -- how often a worker died over this photo; from 2 on it is left alone
    run_id       INTEGER NOT NULL REFERENCES run,
    UNIQUE (photo_id, detector)
) STRICT;
CREATE INDEX detection_error ON detection (photo_id) WHERE error IS NOT NULL;

-- A face, where it is in the upright full-size photo. Detecting again joins to these rows by overlap and never deletes
-- one, so a face keeps its identity.
CREATE TABLE face (
    face_id      INTEGER PRIMARY KEY,
    photo_id     INTEGER NOT NULL REFERENCES photo ON DELETE CASCADE,
    detection_id INTEGER REFERENCES detection ON DELETE SET NULL,   -- the newest that found it; NULL: no detector did
    source       TEXT NOT NULL CHECK (source IN ('detector', 'picasa', 'xmp', 'user')),  -- who drew the box
    detector     TEXT,                    -- 'hog', 'cnn', ...
    "left"       INTEGER NOT NULL CHECK ("left" >= 0),
    top          INTEGER NOT NULL CHECK (top >= 0),
    "right"      INTEGER NOT NULL CHECK ("right" > "left"),         -- exclusive
    bottom       INTEGER NOT NULL CHECK (bottom > top),             -- exclusive
    score        REAL,                    -- the detector's own scale
    landmarks    BLOB,                    -- x, y, x, y, ... little-endian float32, pixels of the upright full-size photo
    landmark_kind TEXT CHECK (landmark_kind IN ('dlib-5', 'arcface-5')),  -- which points these are
    -- How good it is for recognition, 0..1: the geometric mean of the four parts beside it.
    quality            REAL CHECK (quality BETWEEN 0 AND 1),
    quality_size       REAL,
    quality_sharpness  REAL,
    quality_frontal    REAL,
    quality_exposure   REAL,
    CHECK ((landmarks IS NULL) = (landmark_kind IS NULL))
) STRICT;
CREATE INDEX face_photo ON face (photo_id);
CREATE INDEX face_detection ON face (detection_id);

-- The vector of a face made by one model. Only vectors of one model may be compared.
CREATE TABLE encoding (
    face_id INTEGER NOT NULL REFERENCES face ON DELETE CASCADE,
    model   TEXT NOT NULL,                -- 'dlib-resnet-v1'
    vector  BLOB NOT NULL CHECK (length(vector) > 0 AND length(vector) % 4 = 0),  -- little-endian float32
    PRIMARY KEY (face_id, model)
) STRICT;

-- That the faces of a photo could not be encoded by a model; like `detection`, so that the same photo does not end a
-- worker every night.
CREATE TABLE encode_failure (
    photo_id INTEGER NOT NULL REFERENCES photo ON DELETE CASCADE,
    model    TEXT NOT NULL,
    error    TEXT NOT NULL,
    crashes  INTEGER NOT NULL,
    run_id   INTEGER NOT NULL REFERENCES run,
    PRIMARY KEY (photo_id, model)
) STRICT;
