"""Who is who: pure arithmetic on encodings. No I/O but for the packaged priors.

faces, labelled      faces.py       what comes in: arrays, checked
prior                prior.py       what is known about a model's encodings from the start
gallery              gallery.py     the labelled faces as centroids (centroids.py), metric (metric.py), threshold (calibrate.py)
plan                 plan.py        names, suggestions or nothing for the faces due
explain, evaluate                   why, and how well
cluster              cluster.py     unknown faces that look alike
"""
