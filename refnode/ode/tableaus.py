"""The explicit Runge-Kutta methods by name: exact fractions, as in the literature that each names."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction as F

from refnode.ode.dop853 import dop853
from refnode.ode.tableau import Tableau, row, summing_to

euler = Tableau(
    "euler", A=(row(),), b=row(1), p=1,
    interpolant=(row(1),), p_dense=1)

midpoint = Tableau(
    "midpoint", A=(row(), row("1/2")), b=row(0, 1), p=2,
    interpolant=(row(1, -1), row(0, 1)), p_dense=2)

heun = Tableau(  # the explicit trapezoidal rule, with Euler's inside
    "heun", A=(row(), row(1)), b=row("1/2", "1/2"), p=2,
    b_hat=row(1, 0), q_hat=1,
    interpolant=(row(1, "-1/2"), row(0, "1/2")), p_dense=2)

rk4 = Tableau(  # the classic rule, HNW II.1 table 1.2; its interpolant: HNW II.6
    "rk4", A=(row(), row("1/2"), row(0, "1/2"), row(0, 0, 1)), b=row("1/6", "1/3", "1/3", "1/6"), p=4,
    interpolant=(row(1, "-3/2", "2/3"), row(0, 1, "-2/3"), row(0, 1, "-2/3"), row(0, "-1/2", "2/3")), p_dense=3)

rk4_38 = Tableau(  # the 3/8 rule, HNW II.1 table 1.2; torchdiffeq calls it "rk4"
    "rk4_38", A=(row(), row("1/3"), row("-1/3", 1), row(1, -1, 1)), b=row("1/8", "3/8", "3/8", "1/8"), p=4,
    interpolant=(row(1, "-15/8", 1), row(0, "15/8", "-3/2"), row(0, "3/8", 0), row(0, "-3/8", "1/2")), p_dense=3)

bosh3 = Tableau(  # Bogacki and Shampine 1989; cubic Hermite interpolant
    "bosh3",
    A=(row(), row("1/2"), row(0, "3/4"), row("2/9", "1/3", "4/9")),
    b=row("2/9", "1/3", "4/9", 0), p=3,
    b_hat=row("7/24", "1/4", "1/3", "1/8"), q_hat=2,
    interpolant=(row(1, "-4/3", "5/9"), row(0, 1, "-2/3"), row(0, "4/3", "-8/9"), row(0, -1, 1)), p_dense=3)

dopri5 = Tableau(  # Dormand and Prince 1980, HNW II.5 table 5.2
    "dopri5",
    A=(row(),
       row("1/5"),
       row("3/40", "9/40"),
       row("44/45", "-56/15", "32/9"),
       row("19372/6561", "-25360/2187", "64448/6561", "-212/729"),
       row("9017/3168", "-355/33", "46732/5247", "49/176", "-5103/18656"),
       row("35/384", 0, "500/1113", "125/192", "-2187/6784", "11/84")),
    b=row("35/384", 0, "500/1113", "125/192", "-2187/6784", "11/84", 0), p=5,
    b_hat=row("5179/57600", 0, "7571/16695", "393/640", "-92097/339200", "187/2100", "1/40"), q_hat=4,
    # Shampine's quartic (Math. Comp. 46, 1986), the same polynomial as contd5 of HNW II.6
    interpolant=(row(1, "-8048581381/2820520608", "8663915743/2820520608", "-12715105075/11282082432"),
                 row(0, 0, 0, 0),
                 row(0, "131558114200/32700410799", "-68118460800/10900136933", "87487479700/32700410799"),
                 row(0, "-1754552775/470086768", "14199869525/1410260304", "-10690763975/1880347072"),
                 row(0, "127303824393/49829197408", "-318862633887/49829197408", "701980252875/199316789632"),
                 row(0, "-282668133/205662961", "2019193451/616988883", "-1453857185/822651844"),
                 row(0, "40617522/29380423", "-110615467/29380423", "69997945/29380423")), p_dense=4)

dopri5_shampine = replace(  # the weights of torchdiffeq, diffrax and JAX: their error estimate is exactly 2/3 of dopri5's
    dopri5, name="dopri5_shampine", b_hat=row("1951/21600", 0, "22642/50085", "451/720", "-12231/42400", "649/6300", "1/60"))


def _tsit5() -> Tableau:
    """Tsitouras 2011 (Comput. Math. Appl. 62). Not rational: the published decimals, which satisfy the order conditions to their last digits.

    The entries that follow from others (the first column of A from c, the first weights, theta^3 in the interpolant from b) are made to, so
    that rows sum exactly. The published weights named b_hat are b - b_hat, the last one with the wrong sign.
    """
    b = summing_to(1, "0.01", "0.4798896504144996", "1.379008574103742", "-3.290069515436081", "2.324710524099774", "0")
    error = summing_to(0, "-0.0008164344596567469", "0.007880878010261995", "-0.1447110071732629", "0.5823571654525552",
                        "-0.45808210592918697", "1/66")
    continuation = (  # of theta, theta^2, theta^4
        ("1", "-2.763706197274826", "-1.0530884977290216"), ("0", "0.1317", "0.1017"), ("0", "3.9302962368947516", "2.490627285651253"),
        ("0", "-12.411077166933676", "-16.548102889244902"), ("0", "37.50931341651104", "47.37952196281928"),
        ("0", "-27.896526289197286", "-34.87065786149661"), ("0", "1.5", "2.5"))
    return Tableau(
        "tsit5",
        A=((),
           summing_to("0.161"),
           summing_to("0.327", "0.335480655492357"),
           summing_to("0.9", "-6.359448489975075", "4.3622954328695815"),
           summing_to("0.9800255409045097", "-11.748883564062828", "7.4955393428898365", "-0.09249506636175525"),
           summing_to(1, "-12.92096931784711", "8.159367898576159", "-0.071584973281401", "-0.028269050394068383"),
           b[:-1]),
        b=b, p=5,
        b_hat=tuple(x - e for x, e in zip(b, error, strict=True)), q_hat=4,
        interpolant=tuple((F(x), F(x2), b_i - F(x) - F(x2) - F(x4), F(x4)) for b_i, (x, x2, x4) in zip(b, continuation, strict=True)), p_dense=4)


tsit5 = _tsit5()

TABLEAUS = {tableau.name: tableau for tableau in (euler, midpoint, heun, rk4, rk4_38, bosh3, dopri5, dopri5_shampine, tsit5, dop853)}
