-- Somebody with a name. Ids are never made from names.
CREATE TABLE person (
    person_id INTEGER PRIMARY KEY,
    name      TEXT NOT NULL CHECK (trim(name) <> ''),
    hidden    INTEGER NOT NULL DEFAULT 0 CHECK (hidden IN (0, 1)),
    born      INTEGER,                    -- year; before it nobody is this person
    died      INTEGER,                    -- year; after it nobody is
    merged_into INTEGER REFERENCES person CHECK (merged_into <> person_id)
                                          -- turned out to be somebody else here, who is not merged into anybody
) STRICT;
CREATE INDEX person_name ON person (name);
CREATE INDEX person_merged ON person (merged_into) WHERE merged_into IS NOT NULL;

-- Faces that look alike. A person may have many clusters; a cluster may belong to nobody yet.
CREATE TABLE cluster (
    cluster_id INTEGER PRIMARY KEY,
    person_id  INTEGER REFERENCES person,
    contact    TEXT                       -- Picasa's id, 16 hexadecimal digits, when it was Picasa that grouped them
) STRICT;
CREATE INDEX cluster_person ON cluster (person_id);
CREATE UNIQUE INDEX cluster_contact ON cluster (contact, coalesce(person_id, 0)) WHERE contact IS NOT NULL;

-- What the program guesses. Made anew whenever it likes.
CREATE TABLE match (
    face_id    INTEGER PRIMARY KEY REFERENCES face ON DELETE CASCADE,
    person_id  INTEGER REFERENCES person,
    cluster_id INTEGER REFERENCES cluster,
    sure       INTEGER NOT NULL DEFAULT 1 CHECK (sure IN (0, 1)),  -- 0: person_id is a suggestion for a person, and no name
    distance   REAL,                      -- to this person, else to the nearest that nothing forbids
    threshold  REAL,                      -- under which a face gets a name
    runner_up  INTEGER REFERENCES person, -- the next nearest
    metric     TEXT,                      -- 'plda', 'euclid', ...
    gallery    TEXT,                      -- with which labelled faces it was compared: gallery.key
    model      TEXT NOT NULL              -- whose encodings were compared; 'picasa': only Picasa's contact was asked
) STRICT;
CREATE INDEX match_person ON match (person_id);
CREATE INDEX match_cluster ON match (cluster_id);
CREATE INDEX match_runner_up ON match (runner_up);

-- What the labelled faces look like to each model, made once for many matches: centroids, metric, threshold as arrays.
CREATE TABLE gallery (
    model  TEXT PRIMARY KEY,
    key    TEXT NOT NULL,                 -- of what it was made; another one is made when this is no longer so
    arrays BLOB NOT NULL                  -- numpy's npz
) STRICT;

-- Something that a person did in one go, to be told by `facelib log` and taken back by `facelib undo`: decisions about faces, and
-- changes of people (`before`).
CREATE TABLE act (
    act_id    INTEGER PRIMARY KEY AUTOINCREMENT,
    kind      TEXT NOT NULL,              -- 'name', 'merge', 'rename', ...
    says      TEXT NOT NULL,              -- in one line, for a person
    before    TEXT NOT NULL CHECK (json_valid(before)),
                                          -- what people were like: [{"person_id": 3, "column": "name", "value": "Ann"}]
    made_at   TEXT NOT NULL,              -- ISO 8601, UTC
    undone_at TEXT
) STRICT;

-- What somebody said about a face. Append-only: taking back sets undone_at. Keyed to the photo's digest and the box, so
-- that it outlives faces, detectors and models; face_id is where it applies now.
CREATE TABLE decision (
    decision_id  INTEGER PRIMARY KEY AUTOINCREMENT,
    sha256       TEXT NOT NULL,
    "left"       INTEGER NOT NULL,
    top          INTEGER NOT NULL,
    "right"      INTEGER NOT NULL,
    bottom       INTEGER NOT NULL,
    face_id      INTEGER REFERENCES face ON DELETE SET NULL,
    verdict      TEXT NOT NULL CHECK (verdict IN ('is', 'is_not', 'no_face', 'ignore')),
    person_id    INTEGER REFERENCES person CHECK ((verdict IN ('is', 'is_not')) = (person_id IS NOT NULL)),
    made_by      TEXT NOT NULL CHECK (made_by IN ('user', 'picasa', 'xmp')),
    made_at      TEXT NOT NULL,           -- ISO 8601, UTC
    carried_from INTEGER REFERENCES decision,  -- said of the same face before its photo was edited
    act_id       INTEGER REFERENCES act,  -- what it was part of; NULL for importers, unless restored
    undone_at    TEXT
) STRICT;
-- Of all decisions, also those taken back: they follow their face when it is merged into another one.
CREATE INDEX decision_face ON decision (face_id, decision_id);
CREATE INDEX decision_photo ON decision (sha256);
CREATE INDEX decision_person ON decision (person_id);
CREATE INDEX decision_act ON decision (act_id) WHERE act_id IS NOT NULL;
