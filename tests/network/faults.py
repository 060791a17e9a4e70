"""What a proxy may do to a request, and which requests it does it to."""

import asyncio
import base64
import functools
import random
import time
import zlib

import proxy


# ---- what happens
async def slow_down(exchange):
    await exchange.send(proxy.Answer.error(503, "SlowDown", "Please reduce your request rate."))


async def internal_error(exchange):
    await exchange.send(proxy.Answer.error(500, "InternalError", "We encountered an internal error. Please try again."))


async def conflict(exchange):
    """What S3 says where two writes of one object meet."""
    await exchange.send(proxy.Answer.error(409, "ConditionalRequestConflict", "The conditional request conflicts."))


async def no_such_upload(exchange):
    message = "The specified upload does not exist. It may have been aborted or completed."
    await exchange.send(proxy.Answer.error(404, "NoSuchUpload", message))


async def late_error(exchange):
    """An error in an answer that began with 200, as S3 has it of copies and of uploads that are completed."""
    answer = proxy.Answer.error(500, "InternalError", "We encountered an internal error. Please try again.")
    answer.status, answer.reason = 200, "OK"
    await exchange.send(answer)


async def reset(exchange):
    """The connection ends before S3 has seen the request."""
    exchange.reset()


async def close(exchange):
    """The connection ends in good order before S3 has seen the request, as one does that was idle for long."""
    exchange.close()


async def lost_answer(exchange):
    """The connection ends after S3 has carried the request out."""
    await exchange.forward()
    exchange.reset()


async def half(exchange):
    """Sends the head of the answer and half of its body, or all of an answer without a body; gives the rest."""
    answer = await exchange.forward()
    has_body = answer.body and exchange.request.method != "HEAD"
    middle = len(answer.body) // 2 if has_body else 0
    await exchange.write(answer.head(exchange.request.method) + answer.body[:middle])
    return answer.body[middle:] if has_body else b""


async def cut(exchange):
    """The connection ends amid the body, in good order."""
    if await half(exchange):
        exchange.close()


async def reset_amid(exchange):
    """The connection breaks amid the body."""
    if await half(exchange):
        # What has not been read when an RST comes is lost.
        await asyncio.sleep(0.02)
        exchange.reset()


async def stall(exchange, seconds=None):
    """The body stops half-way, for some seconds or for ever."""
    rest = await half(exchange)
    if rest and seconds is None:
        await exchange.hang()
    elif rest:
        await asyncio.sleep(seconds)
        await exchange.write(rest)


async def delay(exchange, seconds):
    await asyncio.sleep(seconds)
    await proxy.carry(exchange)


async def never(exchange):
    """Neither carried out nor answered."""
    await exchange.hang()


async def deaf(exchange):
    """The request's body is not read, so that it cannot even be sent."""
    exchange.writer.transport.pause_reading()
    await asyncio.Event().wait()


deaf.leaves_body = True


async def vanish(exchange):
    """From now on nobody listens there."""
    exchange.proxy.server.close()
    exchange.reset()


async def flip(exchange, bare=False, at=0.5):
    """One bit of the body is another; `bare` where S3 sends no checksum with it."""
    answer = await exchange.forward()
    if answer.status in (200, 206):
        answer.body = flipped(answer.body, at)
    if bare:
        answer.without("x-amz-checksum-")
    await exchange.send(answer)


async def flip_upload(exchange):
    """One bit of what is written is another when it reaches S3, which compares it with the request's checksum."""
    body = exchange.request.body = flipped(exchange.request.body)
    checksum = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    if exchange.request.header("x-amz-checksum-crc32") in (None, checksum):
        await proxy.carry(exchange)
    else:
        message = "The CRC32 you specified did not match the calculated checksum."
        await exchange.send(proxy.Answer.error(400, "BadDigest", message))


def flipped(content, at=0.5):
    place = int(len(content) * at)
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :] if content else content


def named(fault, name, **how):
    """A fault with choices made, under a name for the log."""
    chosen = functools.partial(fault, **how)
    chosen.__name__ = name
    return chosen


FLIP_BARE = named(flip, "flip_bare", bare=True)


# ---- to which requests
class Rules:
    """The first rule that fits a request decides: pairs of a condition and a fault, or None to let it pass."""

    def __init__(self, *rules):
        self.rules = rules

    def __call__(self, request):
        return next((fault for fits, fault in self.rules if fits(request)), None)


def of(method, ending, times=1):
    """Fits the first so many of equal requests about a key that ends so."""
    return lambda request: request.method == method and request.key.endswith(ending) and request.seen < times


class Burst:
    """Once so many requests have come, all of so many seconds meet a fault."""

    def __init__(self, after, seconds, fault):
        self.after, self.seconds, self.fault, self.began = after, seconds, fault, None

    def __call__(self, request):
        if request.number < self.after:
            return None
        now = time.monotonic()
        self.began = self.began or now
        return self.fault if now - self.began < self.seconds else None


class Share:
    """A share of the requests that fit meets a fault, drawn by a seed: the same ones each time."""

    def __init__(self, seed, share, fault, fits=lambda request: True):
        self.seed, self.share, self.fault, self.fits = seed, share, fault, fits

    def __call__(self, request):
        drawn = random.Random(f"{self.seed} {request.name()} {request.seen}").random()
        return self.fault if self.fits(request) and drawn < self.share else None
