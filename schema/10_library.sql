-- Where photographs lie. A path is only a place: names and faces hang on the photo (20_photos.sql), never on a path.
--
-- Paths are absolute. They are TEXT where their bytes are UTF-8 and BLOB (the raw bytes) where they are not, so the
-- columns are ANY and compare exactly; a BLOB never equals a TEXT.

-- One line per run of a command that writes. Rows say in which run they were made or seen; the run knows the time.
CREATE TABLE run (
    run_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    command    TEXT NOT NULL,             -- 'scan'
    started_at TEXT NOT NULL,             -- ISO 8601, UTC
    ended_at   TEXT,                      -- NULL: running now, or killed
    outcome    TEXT CHECK (outcome IN ('done', 'stopped', 'interrupted', 'failed')),
    summary    TEXT CHECK (summary IS NULL OR json_valid(summary))  -- the digest, as JSON
) STRICT;

-- A folder that the user asked to index. It keeps its row when it is mounted elsewhere.
CREATE TABLE root (
    root_id      INTEGER PRIMARY KEY,
    path         ANY NOT NULL UNIQUE CHECK (typeof(path) IN ('text', 'blob')),
    added_run    INTEGER NOT NULL REFERENCES run,
    walked_run   INTEGER REFERENCES run,  -- the last walk that reached its end
    trust_inodes INTEGER NOT NULL DEFAULT 1 CHECK (trust_inodes IN (0, 1)),
                                          -- 0: this file system invents inode numbers anew at each mount
    absent       INTEGER NOT NULL DEFAULT 0 CHECK (absent IN (0, 1)),
                                          -- 1: the last walk found nothing where files should be; a disk is not mounted
    problem      TEXT                     -- why the last walk left its files as they were, NULL when it did not
) STRICT;

-- A folder below a root (or the root itself). "Last seen" is kept here and not on each file, so that a night in
-- which nothing changed writes one row per folder and none per photograph.
CREATE TABLE folder (
    folder_id INTEGER PRIMARY KEY,
    root_id   INTEGER NOT NULL REFERENCES root ON DELETE CASCADE,
    path      ANY NOT NULL UNIQUE CHECK (typeof(path) IN ('text', 'blob')),
    seen_run  INTEGER REFERENCES run
) STRICT;
CREATE INDEX folder_root ON folder (root_id);

-- A place where a photograph lies, or lay: rows of files that are gone stay, with present = 0.
CREATE TABLE file (
    file_id   INTEGER PRIMARY KEY,
    folder_id INTEGER NOT NULL REFERENCES folder ON DELETE CASCADE,
    path      ANY NOT NULL UNIQUE CHECK (typeof(path) IN ('text', 'blob')),
    size      INTEGER NOT NULL,           -- bytes
    mtime_ns  INTEGER NOT NULL,           -- Unix nanoseconds
    inode     INTEGER NOT NULL,           -- as signed 64 bits; 0 where there is none
    photo_id  INTEGER REFERENCES photo,   -- NULL: could not be read yet, see error
    error     TEXT,                       -- why the file itself could not be read (permission, disk)
    present   INTEGER NOT NULL DEFAULT 1 CHECK (present IN (0, 1)),
    since_run INTEGER NOT NULL REFERENCES run,  -- the run that found this content here (again)
    seen_run  INTEGER REFERENCES run      -- while gone: the last walk that did find it
) STRICT;
CREATE INDEX file_folder ON file (folder_id);
CREATE INDEX file_photo ON file (photo_id, present);

-- Files that were looked at and are no photographs facelib reads: pictures in other formats, and files without an
-- extension whose first bytes are no image. Remembered so that they are not opened again.
CREATE TABLE other_file (
    path     ANY PRIMARY KEY CHECK (typeof(path) IN ('text', 'blob')),
    root_id  INTEGER NOT NULL REFERENCES root ON DELETE CASCADE,
    size     INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    reason   TEXT NOT NULL
) STRICT;
CREATE INDEX other_file_root ON other_file (root_id);
