"""Python pickles of CIFAR-10's kind (a dict of lists and uint8 arrays), read without running any.

A pickle is a program: loading it with `pickle.load` runs what it says. Two fences stand here.
First, a scan that admits only the instructions such a dict needs, few of the kind that build
nested values, and no numbers larger than any label. Second, an unpickler that resolves the handful
of NumPy names to stand-ins which record what they were given, so that neither foreign code nor
NumPy's own unpickling (which trusts the dtype and shape it is handed) ever runs on the file's
bytes.
"""

import io
import math
import pickle
import pickletools

import numpy as np

from keras_twist.data.errors import DataError, first_line

MAX_PICKLE_BYTES = 64 * 2**20

_MAX_OBJECTS = 10**6
# Tuples and calls. A batch needs about ten; a million nested ones would overflow the C stack
# when the outermost is hashed as a key.
_MAX_NESTING = 100
_NESTING = frozenset("TUPLE TUPLE1 TUPLE2 TUPLE3 REDUCE BUILD GLOBAL STACK_GLOBAL".split())
_ADMITTED = _NESTING | frozenset(
    "PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 "
    "STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE "
    "BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 "
    "EMPTY_DICT DICT SETITEM SETITEMS EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE "
    "PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET".split()
)
_MEMO = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_NUMBERS = frozenset(("INT", "LONG", "LONG1"))
# Python's hash of larger integers repeats: a dict of them takes hours to fill.
_MAX_NUMBER = 2**60


class _Array:
    """Stands for a uint8 array; filled by the pickle, checked before it becomes one."""

    __slots__ = ("shape", "raw", "order")

    def __init__(self, shape=(), raw=None, order="C"):
        self.shape = shape
        self.raw = raw
        self.order = order

    def __setstate__(self, state):
        _, self.shape, kind, fortran_order, self.raw = state
        if not isinstance(kind, _Kind):
            raise ValueError("an array that is not uint8")
        self.order = "F" if fortran_order else "C"

    def to_numpy(self):
        """Returns the array, its shape and size checked against each other first."""
        raw = self.raw
        if not isinstance(raw, bytes | bytearray) or type(self.shape) is not tuple:
            raise ValueError("an array without contents")
        if not all(type(n) is int and n >= 0 for n in self.shape) or len(self.shape) > 4:
            raise ValueError("an array of an impossible shape")
        if math.prod(self.shape) != len(raw):
            raise ValueError("an array whose size and shape disagree")
        return np.frombuffer(raw, np.uint8).reshape(self.shape, order=self.order)


class _Kind:
    """Stands for `numpy.dtype("uint8")`, the only dtype there is here."""

    __slots__ = ()

    def __setstate__(self, state):
        pass


class _Name:
    """Stands for one importable name; calling it makes a stand-in and nothing else."""

    __slots__ = ("_call",)

    def __init__(self, call):
        self._call = call

    def __call__(self, *args):
        return self._call(*args)

    def __setstate__(self, state):
        # Without this, BUILD would set attributes of its choice on this very object.
        raise pickle.UnpicklingError("an attempt to change a name")


def _make_kind(code, *_):
    if code not in ("u1", b"u1", "|u1", b"|u1"):
        raise ValueError("an array that is not uint8")
    return _Kind()


def _from_buffer(raw, kind, shape, order):
    if not isinstance(kind, _Kind) or order not in ("C", "F"):
        raise ValueError("an array that is not uint8")
    return _Array(shape, raw, order)


class _Encoder:
    """Stands for `_codecs.encode`, by which Python 3 writes bytes in the old protocols.

    They come as text whose code points are the bytes. A text that is encoded again and again would
    fill the memory, so there is only so much to encode as the whole pickle has bytes.
    """

    def __init__(self, limit):
        self._left = limit

    def __call__(self, text, encoding):
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise ValueError("bytes in an unknown encoding")
        self._left -= len(text)
        if self._left < 0:
            raise ValueError("more bytes than it has")
        return text.encode("latin1")


def _not_called(*_):
    raise ValueError("a direct call of numpy.ndarray")


# NumPy 2 renamed numpy.core to numpy._core; pickles carry the name of the version that wrote them.
_NAMES = {
    ("numpy", "ndarray"): _not_called,
    ("numpy", "dtype"): _make_kind,
}
for _core in ("numpy.core", "numpy._core"):
    _NAMES[_core + ".multiarray", "_reconstruct"] = lambda *_: _Array()
    _NAMES[_core + ".numeric", "_frombuffer"] = _from_buffer


class _Unpickler(pickle.Unpickler):
    def __init__(self, data):
        # Python 2 wrote text and bytes alike; "bytes" keeps the pixels as they are.
        super().__init__(io.BytesIO(data), encoding="bytes")
        self._names = {("_codecs", "encode"): _Encoder(len(data)), **_NAMES}

    def find_class(self, module, name):
        if (module, name) not in self._names:
            raise pickle.UnpicklingError(f"it asks for {f'{module}.{name}'[:80]!r}")
        return _Name(self._names[module, name])


def load_arrays(data, source="pickle"):
    """Reads a pickled dict of lists, numbers, strings and uint8 arrays, of Python 2 or 3.

    Args:
        data: `bytes`, the whole pickle, of protocol 0 to 5.
        source: What to call it in an error message. Defaults to `"pickle"`.

    Returns:
        dict with `str` keys. Arrays are read-only `uint8` arrays; Python 2 strings are `bytes`.

    Raises:
        DataError: The pickle is too large, truncated or damaged, is no dict, or asks for anything
            that such a dict does not need.

    Example:
        >>> import pickle
        >>> from keras_twist.data.pickles import load_arrays
        >>> load_arrays(pickle.dumps({"labels": [6, 9]}))
        {'labels': [6, 9]}

    Reference:
    - [What unpickling may run](https://docs.python.org/3/library/pickle.html#restricting-globals).
      Differs from it in: names resolve to inert stand-ins, not to the real objects.
    """
    if len(data) > MAX_PICKLE_BYTES:
        raise DataError(f"{source} is {len(data)} bytes; at most {MAX_PICKLE_BYTES} are read.")
    try:
        _scan(data)
        loaded = _Unpickler(data).load()
        if type(loaded) is not dict:
            raise ValueError("it holds no dict")
        return {_text(key): _convert(value) for key, value in loaded.items()}
    except pickle.UnpicklingError as error:
        raise DataError(f"{source} is not a CIFAR-10 pickle, or damaged: {error}.") from error
    except Exception as error:  # Damaged opcodes fail in every way there is: all are damage here.
        raise DataError(f"{source} is truncated or damaged: {first_line(error)}.") from error


def _scan(data):
    """Walks the pickle's instructions without obeying any."""
    nesting = 0
    for count, (code, argument, position) in enumerate(pickletools.genops(data)):
        if code.name not in _ADMITTED:
            raise pickle.UnpicklingError(f"instruction {code.name} at byte {position}")
        nesting += code.name in _NESTING
        if nesting > _MAX_NESTING or count > _MAX_OBJECTS:
            raise pickle.UnpicklingError("more values than such a file needs")
        # The memo is a plain C array as long as its largest index.
        if code.name in _MEMO and argument > _MAX_OBJECTS:
            raise pickle.UnpicklingError("an enormous memo index")
        if code.name in _NUMBERS and abs(argument) >= _MAX_NUMBER:
            raise pickle.UnpicklingError("an enormous number")


def _text(key):
    key = key.decode("ascii") if isinstance(key, bytes) else key
    if type(key) is not str:
        raise ValueError("a key that is no text")
    return key


def _convert(value):
    return value.to_numpy() if isinstance(value, _Array) else value
