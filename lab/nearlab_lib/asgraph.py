# SPDX-License-Identifier: GPL-2.0-or-later
"""
An internet of autonomous systems, made up from a seed: who there is, where, and who is whose customer
or peer. A plan without addresses or routers' names: topologies/internet.py makes a network of it.

Three tiers, as in figure 1. Those of the first have routers in several cities and are peers of each
other; nobody sells them transit. Those of the second have one router in a city, buy transit from two
of the first, and most are peers of all others at the exchange point of their city, some at the next one
as well. Those of the third are networks of users, and buy transit from one or two of
the second. Figure 2's Overlay ISP has a router and a co-location facility beside each exchange
point, a ring of lines of its own between them, the peers that it finds there, and two of the first
tier for the rest of the world. Affiliates are systems of the second tier that have an ARN, too.
"""

import math
import random
from typing import NamedTuple

CITIES = {  # latitude, longitude
    "sjc": ("San Jose", 37.3, -121.9), "nyc": ("New York", 40.7, -74.0),
    "lon": ("London", 51.5, -0.1), "tyo": ("Tokyo", 35.7, 139.7),
    "gru": ("São Paulo", -23.5, -46.6), "sin": ("Singapore", 1.4, 103.8),
    "jnb": ("Johannesburg", -26.2, 28.0), "syd": ("Sydney", -33.9, 151.2),
}
LEAST, MOST = 12, 200  # autonomous systems
KM_PER_MS = 200 / 1.4  # light in glass, and no cable is straight
SPREAD = 9.0  # degrees: how far from its city a system is, one standard deviation


class System(NamedTuple):
    """An AS: its name, tier (0: the Overlay ISP), the cities it is in, and where on the map."""

    name: str
    tier: int
    cities: tuple
    place: tuple  # (latitude, longitude) of one that is in one city, or near it


class Deal(NamedTuple):
    """`seller` is the provider of `buyer`, in a city of the seller's and one of the buyer's."""

    seller: str
    buyer: str
    at: str
    to: str


def kilometres(one, two):
    """The distance of two (latitude, longitude) on the globe."""
    lat1, lon1, lat2, lon2 = (math.radians(x) for x in (*one, *two))
    chord = math.sin((lat2 - lat1) / 2) ** 2 \
        + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6371 * math.asin(math.sqrt(chord))


def place_of(city):
    """(latitude, longitude) of a city."""
    return CITIES[city][1:]


class Graph:
    """
    systems: {name: System}; deals: [Deal]; peerings: [(name, name, city)], private ones of the first
    tier; exchanges: {city: [names of its members]}; affiliates: [names].
    """

    def __init__(self, ases=44, exchanges=4, affiliates=2, seed=1):
        """ases: of all tiers and the Overlay ISP. ValueError when such a graph cannot be."""
        if not LEAST <= ases <= MOST:
            raise ValueError(f"ases={ases}: expected {LEAST} to {MOST}")
        if not 2 <= exchanges <= len(CITIES):
            raise ValueError(f"exchanges={exchanges}: expected 2 to {len(CITIES)}")
        self.random = random.Random(seed)
        self.cities = list(CITIES)[:exchanges]
        first = max(3, min(8, round(ases * 0.09)))
        second = max(exchanges, round(ases * 0.27))
        third = ases - 1 - first - second
        if not 0 <= affiliates <= second:
            raise ValueError(f"affiliates={affiliates}: expected 0 to {second}, of the second tier")
        if third < 1:
            raise ValueError(f"ases={ases}: too few for {exchanges} exchange points")
        self.systems, self.deals, self.peerings = {}, [], []
        self.exchanges = {city: [] for city in self.cities}
        self._add_first(first)
        self._add_overlay()
        self._add_second(second)
        self._add_third(third)
        self.affiliates = self._largest(affiliates)

    def tier(self, number):
        """[System] of a tier."""
        return [s for s in self.systems.values() if s.tier == number]

    def _near(self, city):
        lat, lon = place_of(city)
        return (max(-55.0, min(65.0, lat + self.random.gauss(0, SPREAD))),
                (lon + self.random.gauss(0, SPREAD) + 180) % 360 - 180)

    def _add_first(self, count):
        for number in range(1, count + 1):
            cities = tuple(sorted(self.random.sample(self.cities, min(3, len(self.cities))),
                                  key=self.cities.index))
            self.systems[f"T{number}"] = System(f"T{number}", 1, cities, place_of(cities[0]))
        firsts = self.tier(1)
        for index, one in enumerate(firsts):
            for two in firsts[index + 1:]:
                # Three of at most eight cities each: it may be that they meet nowhere.
                both = [c for c in one.cities if c in two.cities]
                self.peerings += [(one.name, two.name, c, c) for c in both] or \
                    [(one.name, two.name, *min(((a, b) for a in one.cities for b in two.cities),
                                               key=lambda p: kilometres(*map(place_of, p))))]

    def _add_overlay(self):
        self.systems["O"] = System("O", 0, tuple(self.cities), place_of(self.cities[0]))
        for city in self.cities:
            self.exchanges[city].append("O")
        for seller in self.random.sample(self.tier(1), 2):
            city = self.random.choice(seller.cities)
            self.deals.append(Deal(seller.name, "O", city, city))

    def _add_second(self, count):
        for number in range(1, count + 1):
            city = self.cities[(number - 1) % len(self.cities)]
            system = System(f"M{number}", 2, (city,), self._near(city))
            self.systems[system.name] = system
            present = self.random.random()
            if present < 3 / 4 or number <= len(self.cities):
                self.exchanges[city].append(system.name)
            if present < 1 / 3:
                second = min((c for c in self.cities if c != city),
                             key=lambda c, s=system: kilometres(place_of(c), s.place))
                self.exchanges[second].append(system.name)
            for seller in self.random.sample(self.tier(1), 2):
                self._sell(seller, system)

    def _add_third(self, count):
        for number in range(1, count + 1):
            city = self.random.choice(self.cities)
            system = System(f"E{number}", 3, (city,), self._near(city))
            self.systems[system.name] = system
            near = sorted(self.tier(2), key=lambda s, e=system: kilometres(s.place, e.place))
            sellers = self.random.sample(near[:4], 2 if self.random.random() < 0.5 else 1)
            for seller in sellers:
                self._sell(seller, system)

    def _sell(self, seller, buyer):
        at = min(seller.cities, key=lambda c: kilometres(place_of(c), buyer.place))
        self.deals.append(Deal(seller.name, buyer.name, at, buyer.cities[0]))

    def _largest(self, count):
        """Names of the systems of the second tier with most customers, no two of one city first."""
        customers = {s.name: sum(d.seller == s.name for d in self.deals) for s in self.tier(2)}
        order = sorted(customers, key=lambda n: (-customers[n], list(customers).index(n)))
        found, cities = [], set()
        for name in order:
            if self.systems[name].cities[0] not in cities:
                found.append(name)
                cities.add(self.systems[name].cities[0])
        return (found + [n for n in order if n not in found])[:count]

    def ring(self):
        """[(city, city)]: the Overlay ISP's own lines, round the world."""
        order = sorted(self.cities, key=lambda c: place_of(c)[1])
        pairs = list(zip(order, order[1:] + order[:1]))
        return pairs[:-1] if len(order) == 2 else pairs
