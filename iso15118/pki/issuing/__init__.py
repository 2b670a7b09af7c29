"""The issuer of test PKIs: certificates from profiles, good or with flaws that were asked
for, singly and as fleets."""
