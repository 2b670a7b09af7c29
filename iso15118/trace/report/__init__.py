"""What a capture shows of charging sessions, judged: a model of each session, the cause of its end, how
far the capture can be trusted.

``reading`` makes the entries, ``building`` the model of them; ``export`` writes it as JSON and
``page`` as one page of HTML.
"""
