"""PostgreSQL through libpq, which is wherever psql is: nothing has to be installed for Python."""
import ctypes
import ctypes.util


def load():
    for name in ("libpq.so.5", ctypes.util.find_library("pq")):
        try:
            return ctypes.CDLL(name) if name else None
        except OSError:
            continue
    return None


PQ = load()
TUPLES = (1, 2)                 # PGRES_COMMAND_OK, PGRES_TUPLES_OK
FIELDS = {"sqlstate": "C", "message": "M", "detail": "D", "hint": "H", "word": "n"}

if PQ is not None:
    for function, result, *arguments in (
            ("PQconnectdb", "p", "s"), ("PQstatus", "i", "p"), ("PQfinish", "v", "p"), ("PQerrorMessage", "s", "p"),
            ("PQexecParams", "p", "p", "s", "i", "p", "p", "p", "p", "i"), ("PQresultStatus", "i", "p"),
            ("PQresultErrorField", "s", "p", "i"), ("PQresultErrorMessage", "s", "p"), ("PQntuples", "i", "p"),
            ("PQnfields", "i", "p"), ("PQfname", "s", "p", "i"), ("PQgetisnull", "i", "p", "i", "i"),
            ("PQgetvalue", "s", "p", "i", "i"), ("PQclear", "v", "p")):
        types = {"p": ctypes.c_void_p, "s": ctypes.c_char_p, "i": ctypes.c_int, "v": None}
        getattr(PQ, function).restype = types[result]
        getattr(PQ, function).argtypes = [types[argument] for argument in arguments]


class SqlError(Exception):
    """An error of the server: sqlstate, message, detail, hint and taskq's stable word."""

    def __init__(self, fields):
        self.__dict__.update(fields)
        text = "%s: %s" % (self.sqlstate, self.message)
        super().__init__(text + (" (%s)" % self.detail if self.detail else ""))


class Connection:
    """One connection; not to be used by two threads at a time."""

    def __init__(self, dsn):
        self.handle = None
        if PQ is None:
            raise SystemExit("there is no libpq.so.5 here")
        self.handle = PQ.PQconnectdb(dsn.encode())
        if PQ.PQstatus(self.handle) != 0:
            raise ConnectionError(PQ.PQerrorMessage(self.handle).decode().strip())
        self.query("SET TimeZone = 'UTC'")
        self.query("SET DateStyle = 'ISO'")
        self.query("SET client_encoding = 'UTF8'")

    def query(self, sql, *values):
        """The rows, each a dict of texts; values are texts or None, for $1 and so on."""
        texts = [None if value is None else str(value).encode() for value in values]
        array = (ctypes.c_char_p * len(texts))(*texts)
        result = PQ.PQexecParams(self.handle, sql.encode(), len(texts), None, array, None, None, 0)
        try:
            if PQ.PQresultStatus(result) not in TUPLES:
                raise self.error(result)
            names = [PQ.PQfname(result, column).decode() for column in range(PQ.PQnfields(result))]
            return [{name: self.value(result, row, column) for column, name in enumerate(names)}
                    for row in range(PQ.PQntuples(result))]
        finally:
            PQ.PQclear(result)

    def one(self, sql, *values):
        """The only column of the only row."""
        (row,) = self.query(sql, *values)
        (value,) = row.values()
        return value

    def close(self):
        if self.handle is not None:
            PQ.PQfinish(self.handle)
            self.handle = None

    def error(self, result):
        fields = {}
        for name, code in FIELDS.items():
            text = PQ.PQresultErrorField(result, ord(code))
            fields[name] = text.decode() if text is not None else None
        if fields["message"] is None:
            raise ConnectionError(PQ.PQerrorMessage(self.handle).decode().strip())
        return SqlError(fields)

    @staticmethod
    def value(result, row, column):
        return None if PQ.PQgetisnull(result, row, column) else PQ.PQgetvalue(result, row, column).decode()
