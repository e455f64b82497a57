"""What local verifiers decide by: no I/O, no threads, no clock but the one they are given.

Times are floats in seconds: `now_s` by this machine's steady clock, `store_s` by the engine's.
"""
