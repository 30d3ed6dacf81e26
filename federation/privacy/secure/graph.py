"""Who masks with whom: the k-regular graph of Bell et al., and how its degree and threshold are found."""

from __future__ import annotations

import math
from dataclasses import dataclass

from federation.errors import SettingError
from federation.privacy.errors import SecureParametersError


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """How many neighbours each member has, and how many of them are needed.

    Attributes:
        degree: neighbours of each member, k.
        threshold: shares that make a secret, t.
        exposure: bound on the chance that any honest member's update can be singled out: that t or more of its
            neighbours lie, or that the honest members who stay no longer hang together. 0 for a complete graph.
        failure: bound on the chance that some secret has fewer than t honest holders left, so the sum is lost.
    """

    degree: int
    threshold: int
    exposure: float
    failure: float


def neighbourhood(
    members: int, *, liars: int, dropped: int, security_bits: float = 40, soundness_bits: float = 20
) -> Neighbourhood:
    """The smallest degree, with its threshold, that is safe and sound for so many liars and drop-outs.

    Bell, Bonawitz, Gascón, Lepoint and Raykova, "Secure Single-Server Aggregation with (Poly)Logarithmic Overhead",
    CCS 2020, section 3.4: members stand in a random circle and know those up to k / 2 places to either side. Then

    - the liars among one's k neighbours are hypergeometric, and t or more of them may have a chance of at most
      2**-security_bits over all members: else they and the server together hold t shares of a secret;
    - members who stay and are honest hang together unless k / 2 in a row do not, somewhere on the circle, which is
      bounded over the n places it can begin; else a part of the sum could be told from the rest;
    - drop-outs among one's neighbours are hypergeometric, too, and fewer than t may be left with a chance of
      at most 2**-soundness_bits. Liars who withhold their shares count as dropped.

    All three are union bounds, so the figures are upper bounds. When no such k is below members - 1 the graph is
    complete, where chance plays no part: t = members - 1 - dropped - liars, which is above the liars.

    Of the thresholds that do, the largest is taken. The random circle must be drawn after the liars are enrolled.
    The server is honest but curious: it carries messages as they are. One that tells different members different
    things about who dropped needs t shares of both secrets of a member from holders of which each gives one, which
    takes 2 t <= k + liars among them; a server that invents members is kept out by signed keys, not by this.

    Raises:
        SecureParametersError: when there are fewer than `fewest_members`.
    """
    if members < 2:
        raise SettingError(name="members", found=members, needed="2 or more")
    if liars < 0 or dropped < 0 or liars + dropped > members:
        raise SettingError(
            name="liars, dropped", found=(liars, dropped), needed=f"0 or more, at most {members} together"
        )
    if members < fewest_members(liars, dropped):
        raise SecureParametersError(
            members=members, liars=liars, dropped=dropped, needed=fewest_members(liars, dropped)
        )
    others, exposed, failed = members - 1, 2.0**-security_bits, 2.0**-soundness_bits
    absent = min(liars + dropped, others)
    for degree in range(2, others, 2):
        apart = _run(members, liars + dropped, degree // 2)
        if apart > exposed / 2:
            continue
        holders = _tails(others, min(liars, others), degree)
        gone = _tails(others, absent, degree)
        # The largest threshold that is sound: it is the safest, against a server with two stories, too.
        for threshold in range(degree, 1, -1):
            exposure = members * holders[threshold] + apart
            failure = members * gone[degree - threshold + 1]
            if exposure <= exposed and failure <= failed:
                return Neighbourhood(degree=degree, threshold=threshold, exposure=exposure, failure=failure)
    left = others - dropped - liars
    return Neighbourhood(degree=others, threshold=left, exposure=0.0, failure=0.0)


def fewest_members(liars: int, dropped: int) -> int:
    """The smallest bucket that bears so many: 2 liars + dropped + 2, and at least dropped + 3.

    Then members - dropped - liars rows, the fewest that are ever summed, hold two of honest members whatever the liars
    do, and the complete graph has a threshold above the liars.
    """
    return dropped + max(2 * liars + 2, 3)


def neighbours(circle: tuple[str, ...], degree: int) -> dict[str, tuple[str, ...]]:
    """Each member's neighbours, sorted: those up to degree / 2 places to either side on the circle, or all.

    Args:
        circle: the members in random order.
        degree: even, or len(circle) - 1.
    """
    size = len(circle)
    if degree == size - 1:
        return {member: tuple(sorted(set(circle) - {member})) for member in circle}
    if degree % 2 or not 2 <= degree < size:
        raise SettingError(name="degree", found=degree, needed=f"even, from 2, or {size - 1}")
    reach = [step for step in range(-degree // 2, degree // 2 + 1) if step]
    return {
        member: tuple(sorted(circle[(place + step) % size] for step in reach)) for place, member in enumerate(circle)
    }


def _tails(population: int, marked: int, drawn: int) -> list[float]:
    """P[X >= x] for x = 0 .. drawn + 1, X hypergeometric."""
    whole = math.comb(population, drawn)
    # Exact in whole numbers; a tail of 2**-80 would drown in the rounding of a sum from the other end.
    tails, total = [0.0], 0
    for count in range(drawn, -1, -1):
        if count <= marked and drawn - count <= population - marked:
            total += math.comb(marked, count) * math.comb(population - marked, drawn - count)
        tails.append(total / whole)
    return tails[::-1]


def _run(members: int, absent: int, length: int) -> float:
    """Bound on the chance that ``length`` in a row on the circle are all among the absent."""
    if absent < length:
        return 0.0
    return min(members * math.comb(absent, length) / math.comb(members, length), 1.0)
