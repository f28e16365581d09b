"""Published data sets and models: fetched over lines that break, checked and unpacked."""
