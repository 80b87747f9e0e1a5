"""EC2: what instances are launched from and onto: templates, keys, reservations, hosts, Spot requests."""

from resources.aws.listing import Listing

LISTINGS: tuple[Listing, ...] = ()
