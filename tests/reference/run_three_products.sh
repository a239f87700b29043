#!/usr/bin/env bash
# Runs the executable reference of products in three.
here=$(dirname "${BASH_SOURCE[0]}")
exec "$here/../support/numpy.sh" "$here/three_products.py"
