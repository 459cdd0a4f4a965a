# SPDX-License-Identifier: Apache-2.0
"""Makes a case that shows a difference as small as it gets, by leaving out one thing at a time."""

FIXED = ("title", "id", "name", "logsource", "status", "level")


def without(sequence, start, end):
    return sequence[:start] + sequence[end:]


def smaller(value):
    """Versions of a value with a little less in it, the most drastic first."""
    if isinstance(value, dict):
        for key in value:
            yield {k: v for k, v in value.items() if k != key}
        for key, each in value.items():
            for less in smaller(each):
                yield {**value, key: less}
    elif isinstance(value, list):
        for i in range(len(value)):
            yield without(value, i, i + 1)
        if len(value) == 1:
            yield value[0]
        for i, each in enumerate(value):
            for less in smaller(each):
                yield value[:i] + [less] + value[i + 1:]
    elif isinstance(value, str) and len(value) > 1:
        words = value.split(" ")
        for length in (len(words) - 1, 3, 2, 1):
            for i in range(len(words) - length + 1 if 0 < length < len(words) else 0):
                yield " ".join(without(words, i, i + length))
        for i in range(min(len(value), 60)):
            yield without(value, i, i + 1)


def smaller_document(document):
    for key, each in document.items():
        if key not in FIXED:
            for less in smaller(each):
                yield {**document, key: less}


def smaller_case(case):
    documents, events = case
    for i in range(len(documents)):
        if len(documents) > 1:
            yield without(documents, i, i + 1), events
    for i in range(len(events)):
        if len(events) > 1:
            yield documents, without(events, i, i + 1)
    for i, document in enumerate(documents):
        for less in smaller_document(document):
            yield documents[:i] + [less] + documents[i + 1:], events
    for i, event in enumerate(events):
        whole = event.get("logsource")
        for less in smaller(event):
            if isinstance(less, dict) and less.get("logsource", whole) != whole:
                continue  # given whole or not at all
            if isinstance(less, dict):
                yield documents, events[:i] + [less] + events[i + 1:]


def shrink(case, still_differs, tries=1500):
    while True:
        for less in smaller_case(case):
            tries -= 1
            if tries < 0:
                return case
            if still_differs(less):
                case = less
                break
        else:
            return case
