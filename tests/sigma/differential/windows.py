# SPDX-License-Identifier: Apache-2.0
"""Records of the Windows event log, as people publish them, as events with Sigma's field names."""

import json


def records(text):
    """The records of a file, one after the other."""
    decoder = json.JSONDecoder()
    text = text.strip()
    while text:
        record, end = decoder.raw_decode(text)
        yield record
        text = text[end:].lstrip()


def flatten(record):
    """A Windows event's record as the field names of Sigma: rules specification, "Field Usage"."""
    event = {}
    for name, value in record["Event"]["System"].items():
        if isinstance(value, dict):
            for attribute, text in value.get("#attributes", {}).items():
                event["%s_%s" % (name, attribute)] = text
        else:
            event[name] = value
    event.update(record["Event"].get("EventData") or {})
    for section in record["Event"].get("UserData", {}).values():
        event.update(section)
    return {name.replace(" ", ""): value for name, value in event.items()}
