"""The nouns of facelib as plain frozen records. No I/O here, and nothing heavier than the standard library."""

from __future__ import annotations

from dataclasses import dataclass, field

# Which five points a face's landmarks are. Both kinds have five, in other places and another order.
DLIB_POINTS = "dlib-5"  # outer and inner corner of the eye on the picture's right, the same of the left, below the nose
ARCFACE_POINTS = "arcface-5"  # eye on the picture's left, eye on its right, nose, left and right corner of the mouth

Path = str
"""An absolute path. Bytes that are not UTF-8 travel as surrogate escapes (`os.fsdecode`) and are a BLOB in the database."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in whole pixels; `right` and `bottom` are exclusive, so that width = right - left."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def area(self) -> int:
        return max(0, self.width) * max(0, self.height)

    @property
    def center(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


@dataclass(frozen=True, slots=True)
class Stat:
    """What tells without opening it whether a file changed."""

    size: int  # bytes
    mtime_ns: int  # Unix nanoseconds
    inode: int  # 0 where the file system has none


@dataclass(frozen=True, slots=True)
class Root:
    """A folder that the user asked to index."""

    root_id: int
    path: Path
    trust_inodes: bool = True  # False: this file system invents new inode numbers at each mount


@dataclass(frozen=True, slots=True)
class File:
    """A place where a photograph lies."""

    file_id: int
    path: Path
    stat: Stat
    photo_id: int | None
    present: bool


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What a photograph says about itself."""

    width: int  # upright, pixels
    height: int
    orientation: int  # EXIF 1..8: the turn that facelib applied to the decoded pixels to get them upright
    format: str  # Pillow's name: JPEG, PNG, HEIF, ...
    taken_at: str | None = (
        None  # ISO 8601, local time of the camera, with sub-second and offset where the photo has them
    )
    camera: str | None = None
    latitude: float | None = None  # degrees, north positive
    longitude: float | None = None  # degrees, east positive
    warning: str | None = None  # read, but not whole or not well: for a person


@dataclass(frozen=True, slots=True)
class Photo:
    """Content: one digest, however many files hold it."""

    photo_id: int
    sha256: str  # 64 lower-case hex digits
    facts: PhotoFacts | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    """How good a face is for recognition: four parts and their geometric mean, each 0 (useless) to 1 (as good as it gets)."""

    size: float
    sharpness: float
    frontal: float
    exposure: float

    @property
    def combined(self) -> float:
        return float((self.size * self.sharpness * self.frontal * self.exposure) ** 0.25)


@dataclass(frozen=True, slots=True)
class Face:
    """A face as a detector found it, in the upright full-size photo."""

    box: Box  # clipped to the photo
    score: float  # the detector's own scale: higher is surer, comparable within one detector only
    detector: str  # 'hog', 'cnn', ...
    landmarks: tuple[tuple[float, float], ...] = ()  # (x, y) in pixels
    landmark_kind: str | None = None  # DLIB_POINTS, ARCFACE_POINTS
    quality: Quality | None = None
    encodings: dict[str, bytes] = field(default_factory=dict)  # model -> little-endian float32


@dataclass(frozen=True, slots=True)
class KnownFace:
    """A face of the database that wants an encoding."""

    face_id: int
    box: Box
    landmarks: tuple[
        tuple[float, float], ...
    ] = ()  # pixels of the upright full-size photo; () when nobody looked for any
    landmark_kind: str | None = None
    source: str = "detector"  # who drew the box: 'detector', 'picasa', 'xmp', 'user'


@dataclass(frozen=True, slots=True)
class Encoded:
    """What an encoder made of a known face."""

    face_id: int
    landmarks: tuple[tuple[float, float], ...]
    landmark_kind: str
    quality: Quality
    model: str
    vector: bytes  # little-endian float32


@dataclass(frozen=True, slots=True)
class Job:
    """One photo that is due: where to read it and what it must still be."""

    photo_id: int
    path: Path
    size: int
    mtime_ns: int
    detect: bool = False  # look for faces, and encode them
    faces: tuple[KnownFace, ...] = ()  # encode these
    on_cpu: bool = False  # whatever the options say: a GPU's memory was not enough for it


@dataclass(frozen=True, slots=True)
class Analysis:
    """What became of a job. Either `error` is set, or `facts` is; `faces` is None when nobody looked for any."""

    photo_id: int
    facts: PhotoFacts | None = None
    faces: tuple[Face, ...] | None = None
    encoded: tuple[Encoded, ...] = ()  # of the job's known faces
    error: str | None = None
    crashed: bool = False  # the worker died or was killed: tried once more in a later run
    unavailable: bool = False  # cannot be read now, or no longer what was hashed: nothing is stored
    engine: str = ""  # what computed the networks
    seconds: dict[str, float] = field(
        default_factory=dict
    )  # CPU seconds by phase: decode, detect, landmarks, encode, ...
