"""Networks small enough to write by hand: the bytes of ONNX files, whose message types stand in onnx.proto."""


def colours():
    """The mean of each colour of a picture of 8 x 8 pixels."""
    return model(node("input", "pooled", "GlobalAveragePool") + node("pooled", "features", "Flatten"), 8, 3)


def pixels(side):
    """All values of all pixels: many features."""
    return model(node("input", "features", "Flatten"), side, 3 * side * side)


def model(nodes, side, features):
    ends = tensor(11, "input", [3, side, side]) + tensor(12, "features", [features])
    graph = nodes + text(2, "by hand") + ends
    return number(1, 8) + message(8, number(2, 13)) + message(7, graph)


def node(taken, given, operator):
    return message(1, text(1, taken) + text(2, given) + text(3, given) + text(4, operator))


def tensor(field, name, dims):
    """A tensor of floats, with a free batch before its sizes."""
    shape = message(1, text(2, "N")) + b"".join(message(1, number(1, dim)) for dim in dims)
    return message(field, text(1, name) + message(2, message(1, number(1, 1) + message(2, shape))))


def text(field, content):
    return message(field, content.encode())


def message(field, content):
    return bytes([field << 3 | 2]) + varint(len(content)) + content


def number(field, value):
    return bytes([field << 3]) + varint(value)


def varint(value):
    """Seven bits at a time, the lowest first; the highest bit says that more follow."""
    high, low = divmod(value, 128)
    return bytes([low | 128]) + varint(high) if high else bytes([low])
