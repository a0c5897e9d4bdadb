"""Proofs that run the real product: faults under load (chaos_smoke) and an archive replayed (replay)."""
