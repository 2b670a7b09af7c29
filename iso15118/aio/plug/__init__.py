"""From the plug to the session on real interfaces: modems, carriers, PLCA, and both ends of a connector."""
