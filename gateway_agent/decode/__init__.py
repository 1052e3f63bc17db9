"""What packets and capture files say: pure parsers, no state of their own."""
