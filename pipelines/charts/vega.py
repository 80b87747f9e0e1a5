"""A specification of Vega-Lite as SVG, without browser or network, in a process that holds nothing else."""

import sys

import vl_convert

if __name__ == "__main__":
    # No base URL: what a specification may name is in it, and nothing is fetched.
    svg = vl_convert.vegalite_to_svg(sys.stdin.buffer.read().decode(), allowed_base_urls=[])
    sys.stdout.buffer.write(svg.encode())
