"""Published data sets: fetched over lines that break, checked and unpacked."""
