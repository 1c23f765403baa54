"""Models of a person's own, good ones and bad ones, that tests name as "own_models:Class"."""

import asyncio
import json

from solon.chains import Choice, Choose, Completion
from solon.models.fake import Fake
from solon.models.width import Width


class Talker:
    """What a person writes who has a function from text to text."""

    form = "chat"

    def __init__(self, name="talker", most=3):
        self.fake = Fake(name=name)
        self.name, self.most = name, most

    @property
    def identity(self):
        return {"name": self.name, "most": self.most}

    def rendered(self, request):
        return json.dumps(request.conversation, ensure_ascii=False) + request.prefill

    def batches(self, requests):
        return [range(len(requests))[i : i + self.most] for i in range(0, len(requests), self.most)]

    def answer(self, requests):
        return tuple(map(self.fake.reply, requests))


class Remote(Talker):
    """One that is asked over a network of its own."""

    def __init__(self, name="remote"):
        super().__init__(name)
        self.width = Width(2)
        self.is_open = False

    async def answer(self, request):
        assert self.is_open
        await asyncio.sleep(0)
        return self.fake.reply(request)

    async def __aenter__(self):
        self.is_open = True
        return self

    async def __aexit__(self, *error):
        self.is_open = False


class Mute:
    """Lacks what a model has."""

    def answer(self, requests):
        return []


class Nameless(Talker):
    identity = property(lambda self: {}["name"])


class Opaque(Talker):
    identity = property(lambda self: {"model": self.fake})


class Gone(Talker):
    @property
    def form(self):
        raise AttributeError("no form")


class Shy(Talker):
    def __init__(self):
        raise OSError("no \x1b[31m weights here")


class Broken(Talker):
    def answer(self, requests):
        return [1 / 0 for _ in requests]


class Few(Talker):
    def answer(self, requests):
        return super().answer(requests)[1:]


class Wrong(Talker):
    def answer(self, requests):
        return [self.reply for _ in requests]


class Confused(Wrong):
    reply = Choice((0.5, 0.5), 1.0)


class Unsure(Wrong):
    reply = Completion("Well")

    def answer(self, requests):
        return [Choice((0.9, 0.9), 1.0) if isinstance(each, Choose) else self.reply for each in requests]


class Textless(Wrong):
    reply = Completion(None)


class Twice(Talker):
    def batches(self, requests):
        return [[0], [0]]


def not_a_class():
    return Talker()
