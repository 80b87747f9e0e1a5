"""The listings that are collected: one for each kind of resource, cost slice or policy."""
