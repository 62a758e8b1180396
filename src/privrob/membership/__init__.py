"""Membership inference: who was in the training set?

`scores` turns what a model answers into one number a point, higher meaning member; `threshold`
attacks with such numbers and says what chance alone would give; `targeted` attacks with several
numbers a point; `lira` is the likelihood-ratio attack from shadow models. `audit` bounds epsilon
from below by what an attack finds. `sensitivity` asks why they work: how far an answer hangs on a
single training point.
"""
