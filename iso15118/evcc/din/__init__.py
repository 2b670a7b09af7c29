"""DIN 70121 in the vehicle: the script, which reads like the sequence chart, and its phases."""
