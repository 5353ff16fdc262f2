-- The published contract. Other programs read these views and nothing else; columns may be added at the end, a change
-- of meaning makes a _v2. schema/README.md explains them with examples.

-- Not published: the one decision that stands for each face. The newest "is X", "no face" or "ignore" counts, unless
-- "is not X" was said of it later.
CREATE VIEW standing_decision AS
SELECT d.face_id,
       d.decision_id,
       d.verdict,
       coalesce((SELECT merged_into FROM person WHERE person_id = d.person_id), d.person_id) AS person_id,
       d.made_by
  FROM decision d
 WHERE d.undone_at IS NULL
   AND d.verdict <> 'is_not'
   AND NOT EXISTS (SELECT 1 FROM decision later
                    WHERE later.face_id = d.face_id
                      AND later.undone_at IS NULL
                      AND later.decision_id > d.decision_id
                      AND (later.verdict <> 'is_not'
                           OR coalesce((SELECT merged_into FROM person WHERE person_id = later.person_id), later.person_id)
                              = coalesce((SELECT merged_into FROM person WHERE person_id = d.person_id), d.person_id)));

-- Not published: the guess for each face, as the person whom the guessed one was merged into; a suggestion is no guess. Like the
-- view above it asks for `merged_into` row by row: with a join SQLite would compute the whole view for each question.
CREATE VIEW standing_match AS
SELECT m.face_id,
       CASE m.sure
           WHEN 1 THEN coalesce((SELECT merged_into FROM person WHERE person_id = m.person_id), m.person_id)
       END AS person_id,
       m.cluster_id,
       m.distance,
       m.model
  FROM match m;

CREATE VIEW files_v1 AS
SELECT f.path,
       r.path AS root,
       f.size,
       f.mtime_ns,
       CASE WHEN f.error IS NULL THEN p.sha256 END AS sha256,
       CASE WHEN f.error IS NULL THEN f.photo_id END AS photo_id,
       f.present,
       (SELECT started_at FROM run
         WHERE run_id = CASE f.present WHEN 1 THEN max(coalesce(d.seen_run, 0), f.since_run) ELSE f.seen_run END
       ) AS last_seen,
       f.error
  FROM file f
  JOIN folder d USING (folder_id)
  JOIN root r USING (root_id)
  LEFT JOIN photo p USING (photo_id);

CREATE VIEW photos_v1 AS
SELECT p.photo_id,
       p.sha256,
       (SELECT path FROM file WHERE photo_id = p.photo_id ORDER BY present DESC, file_id LIMIT 1) AS path,
       (SELECT count(*) FROM file WHERE photo_id = p.photo_id AND present = 1) AS copies,
       p.width,
       p.height,
       p.orientation,
       p.taken_at,
       p.camera,
       p.latitude,
       p.longitude,
       (SELECT count(*) FROM face f
         WHERE f.photo_id = p.photo_id
           AND NOT EXISTS (SELECT 1 FROM standing_decision s
                            WHERE s.face_id = f.face_id AND s.verdict = 'no_face')) AS faces,
       coalesce(p.error,
                (SELECT error FROM detection
                  WHERE photo_id = p.photo_id ORDER BY run_id DESC, detection_id DESC LIMIT 1)) AS error,
       p.warning,
       p.format,
       coalesce((SELECT max(starred) FROM photo_note n WHERE n.photo_id = p.photo_id), 0) AS starred,
       (SELECT caption FROM photo_note n
         WHERE n.photo_id = p.photo_id AND caption IS NOT NULL
         ORDER BY CASE source WHEN 'ini' THEN 0 WHEN 'db3' THEN 1 ELSE 2 END, folder_id LIMIT 1) AS caption
  FROM photo p;

CREATE VIEW faces_v1 AS
SELECT f.face_id,
       f.photo_id,
       p.sha256,
       (SELECT path FROM file WHERE photo_id = f.photo_id ORDER BY present DESC, file_id LIMIT 1) AS path,
       f."left",
       f.top,
       f."right",
       f.bottom,
       CAST(f."left" AS REAL) / p.width AS x,
       CAST(f.top AS REAL) / p.height AS y,
       CAST(f."right" - f."left" AS REAL) / p.width AS w,
       CAST(f.bottom - f.top AS REAL) / p.height AS h,
       f.score,
       f.quality,
       f.detector,
       coalesce(m.model, (SELECT model FROM encoding WHERE face_id = f.face_id ORDER BY rowid DESC LIMIT 1)) AS model,
       who.person_id,
       who.name AS person,
       CASE WHEN s.verdict = 'is' THEN s.made_by WHEN who.person_id IS NOT NULL THEN 'match' END AS source,
       m.distance,
       m.cluster_id
  FROM face f
  JOIN photo p USING (photo_id)
  LEFT JOIN standing_decision s ON s.face_id = f.face_id
  LEFT JOIN standing_match m ON m.face_id = f.face_id
  LEFT JOIN person who
    ON who.person_id = CASE
           WHEN s.verdict IS NOT NULL THEN s.person_id
           WHEN NOT EXISTS (SELECT 1 FROM decision n
                             WHERE n.face_id = f.face_id AND n.undone_at IS NULL AND n.verdict = 'is_not'
                               -- not a bare n.person_id: SQLite would look through all that was said of this person
                               AND coalesce((SELECT merged_into FROM person WHERE person_id = n.person_id), n.person_id)
                                   = m.person_id) THEN m.person_id
       END
 WHERE s.verdict IS NULL OR s.verdict <> 'no_face';

CREATE VIEW people_v1 AS
SELECT w.person_id,
       w.name,
       count(f.face_id) AS faces,
       count(DISTINCT f.photo_id) AS photos,
       min(p.taken_at) AS first_seen,
       max(p.taken_at) AS last_seen,
       w.hidden,
       w.born,
       w.died
  FROM person w
  LEFT JOIN faces_v1 f USING (person_id)
  LEFT JOIN photo p USING (photo_id)
 WHERE w.merged_into IS NULL
 GROUP BY w.person_id;

CREATE VIEW albums_v1 AS
SELECT a.album_id,
       a.name,
       a.date,
       a.description,
       a.location,
       (SELECT count(DISTINCT photo_id) FROM album_photo m WHERE m.album_id = a.album_id) AS photos
  FROM album a;

CREATE VIEW album_photos_v1 AS
SELECT DISTINCT album_id, photo_id FROM album_photo;

CREATE VIEW keywords_v1 AS
SELECT DISTINCT photo_id, keyword FROM keyword;

CREATE VIEW folders_v1 AS
SELECT d.path,
       n.name,
       n.date,
       n.description,
       n.location,
       (SELECT count(*) FROM file f WHERE f.folder_id = d.folder_id AND f.present = 1) AS files
  FROM folder d
  LEFT JOIN folder_note n USING (folder_id);

CREATE VIEW suggestions_v1 AS
SELECT m.face_id,
       coalesce(w.merged_into, w.person_id) AS person_id,
       (SELECT name FROM person WHERE person_id = coalesce(w.merged_into, w.person_id)) AS person,
       m.distance
  FROM match m
  JOIN person w USING (person_id)
 WHERE m.sure = 0
   AND NOT EXISTS (SELECT 1 FROM standing_decision s WHERE s.face_id = m.face_id);
