"""What an order pays to whom: decisions in a journal, each explained, each booked as entries."""
