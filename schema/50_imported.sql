-- What other programs left beside and inside the photographs: Picasa's .picasa.ini and database, XMP. Kept as it was found,
-- so that it can be laid on faces again when a detector has looked, and so that a second import changes nothing.

-- A face region as somebody else stored it. Where it lies in the photo is decided when the photo's size is known, and again when
-- detectors have looked (settled_detection); `face` then has the box, and `decision` who it shows.
CREATE TABLE region (
    region_id   INTEGER PRIMARY KEY,
    photo_id    INTEGER NOT NULL REFERENCES photo ON DELETE CASCADE,
    folder_id   INTEGER NOT NULL REFERENCES folder ON DELETE CASCADE,  -- where it is said; of a copy elsewhere it may be said otherwise
    source      TEXT NOT NULL CHECK (source IN ('picasa', 'xmp')),
    scheme      TEXT NOT NULL CHECK (scheme IN ('ini', 'db3', 'mwg-rs', 'MP', 'iptc')),
    sidecar     INTEGER NOT NULL DEFAULT 0 CHECK (sidecar IN (0, 1)),  -- XMP from a file beside the photo
    place       TEXT NOT NULL,            -- as written: rect64 in hexadecimal, or the numbers of XMP; with the id the key
    contact     TEXT NOT NULL DEFAULT '', -- Picasa's id, 16 hexadecimal digits; '' for XMP and for unnamed faces
    "left"      REAL,                     -- fractions of the frame that it was stored in; NULL: a person without a box
    top         REAL,
    "right"     REAL,
    bottom      REAL,
    wrapped     INTEGER NOT NULL DEFAULT 0 CHECK (wrapped IN (0, 1)),  -- it passed an edge, and Picasa's 16 bits with it
    display     INTEGER CHECK (display IN (0, 1)),  -- what the writer says: 1 upright frame, 0 stored pixels, NULL nothing
    crop        TEXT,                     -- rect64 of the crop that Picasa saved this photo with
    name        TEXT,                     -- the person's name by the writer; NULL: unnamed
    whole       INTEGER NOT NULL DEFAULT 0 CHECK (whole IN (0, 1)),  -- the box is about the person, not only the face
    ignored     INTEGER NOT NULL DEFAULT 0 CHECK (ignored IN (0, 1)),  -- Picasa was told to ignore it
    person_id   INTEGER REFERENCES person,  -- by the name; without a name, the one that XMP gives faces of this contact
    gone        INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),  -- where it was said, it is not said any more
    frame       TEXT,                     -- which reading held: 'rule', 'other', 'scaled 0.7813', 'crop'; NULL: not yet laid
    verified    INTEGER NOT NULL DEFAULT 0 CHECK (verified IN (0, 1)),  -- detected faces agree with it
    settled_detection INTEGER,            -- the photo's newest detection when it was laid; 0: there was none
    face_id     INTEGER REFERENCES face ON DELETE SET NULL,
    decision_id INTEGER REFERENCES decision,  -- what was decided from it; stays when the user takes that back
    run_id      INTEGER NOT NULL REFERENCES run,
    UNIQUE (photo_id, folder_id, scheme, sidecar, place, contact)
) STRICT;
CREATE INDEX region_face ON region (face_id);
CREATE INDEX region_person ON region (person_id);
CREATE INDEX region_folder ON region (folder_id);
CREATE INDEX region_decision ON region (decision_id) WHERE decision_id IS NOT NULL;
CREATE INDEX region_nameless ON region (contact) WHERE name IS NULL AND contact <> '';

-- Names that came from contacts.xml or Picasa's database, so that a later import without these files knows them too.
CREATE TABLE contact (
    contact TEXT PRIMARY KEY,             -- Picasa's id, 16 hexadecimal digits
    name    TEXT NOT NULL,
    listed  INTEGER NOT NULL CHECK (listed IN (0, 1))  -- 1: in contacts.xml, which goes before all; 0: elsewhere
) STRICT, WITHOUT ROWID;

-- What is said of a photo beside its faces, by whom and in which folder.
CREATE TABLE photo_note (
    photo_id  INTEGER NOT NULL REFERENCES photo ON DELETE CASCADE,
    folder_id INTEGER NOT NULL REFERENCES folder ON DELETE CASCADE,
    source    TEXT NOT NULL CHECK (source IN ('ini', 'db3', 'xmp')),
    starred   INTEGER NOT NULL DEFAULT 0 CHECK (starred IN (0, 1)),
    caption   TEXT,
    PRIMARY KEY (photo_id, folder_id, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX photo_note_folder ON photo_note (folder_id);

-- Its keywords.
CREATE TABLE keyword (
    photo_id  INTEGER NOT NULL REFERENCES photo ON DELETE CASCADE,
    folder_id INTEGER NOT NULL REFERENCES folder ON DELETE CASCADE,
    source    TEXT NOT NULL CHECK (source IN ('ini', 'db3', 'xmp')),
    keyword   TEXT NOT NULL CHECK (trim(keyword) <> ''),
    PRIMARY KEY (photo_id, folder_id, source, keyword)
) STRICT, WITHOUT ROWID;
CREATE INDEX keyword_keyword ON keyword (keyword);
CREATE INDEX keyword_folder ON keyword (folder_id);

-- Picasa's albums: a photo may be in many.
CREATE TABLE album (
    album_id    INTEGER PRIMARY KEY,
    token       TEXT NOT NULL UNIQUE,     -- Picasa's 32 hexadecimal digits
    name        TEXT,                     -- NULL: Picasa forgot it when the album was deleted
    date        TEXT,                     -- ISO 8601
    description TEXT,
    location    TEXT
) STRICT;

-- Which photos are in them, by the ini of which folder.
CREATE TABLE album_photo (
    album_id  INTEGER NOT NULL REFERENCES album ON DELETE CASCADE,
    photo_id  INTEGER NOT NULL REFERENCES photo ON DELETE CASCADE,
    folder_id INTEGER NOT NULL REFERENCES folder ON DELETE CASCADE,
    PRIMARY KEY (album_id, photo_id, folder_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX album_photo_photo ON album_photo (photo_id);
CREATE INDEX album_photo_folder ON album_photo (folder_id);

-- What Picasa knows of a folder.
CREATE TABLE folder_note (
    folder_id   INTEGER PRIMARY KEY REFERENCES folder ON DELETE CASCADE,
    name        TEXT,
    date        TEXT,                     -- ISO 8601, local
    description TEXT,
    location    TEXT
) STRICT;
