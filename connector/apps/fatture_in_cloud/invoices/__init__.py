"""Issued documents worked out on paper: amounts, terms, what an e-invoice needs."""
