"""Solvers: how the parameters of a model are found. A file each, and `registry` lists them.

Declarations load nothing heavy, since the command line reads them; what a solver runs is loaded when it begins.
"""
