"""The scenarios of `scenarios.ts` by a client of the official Python SDK. It prints one JSON object a line, `scenario` with what it `saw` or how
it `failed`, and ends.

    client.py URL BINDING HOOK [DIRECTORY]

HOOK is the webhook of `hooks.ts`. With a directory (`cert.pem`, `key.pem`, `ca.pem` of a run) it calls by mutual TLS.
"""

import asyncio
import json
import os
import ssl
import sys

import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.types import (
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    SubscribeToTaskRequest,
    TaskPushNotificationConfig,
    TaskState,
)
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Value

HANG_SECONDS = 20


class Callee:
    """An agent, and what is asked of it: `send` waits for one answer, the others are the SDK's. And a webhook."""

    def __init__(self, waits, streams, hook):
        self.waits, self.streams, self.hook = waits, streams, hook

    async def send(self, request):
        (answer,) = [event async for event in self.waits.send_message(request)]
        return getattr(answer, answer.WhichOneof("payload"))

    async def stream(self, request):
        return [event async for event in self.streams.send_message(request)]

    async def read(self, task_id, history_length=None):
        return await self.waits.get_task(GetTaskRequest(id=task_id, history_length=history_length))

    async def cancel(self, task_id):
        return await self.waits.cancel_task(CancelTaskRequest(id=task_id))

    async def hooks(self, task_id):
        return await self.waits.list_task_push_notification_configs(ListTaskPushNotificationConfigsRequest(task_id=task_id))

    def own_hook(self, task_id=""):
        return TaskPushNotificationConfig(id="own", task_id=task_id, url=self.hook)

    async def end_heard(self, task_id):
        async with httpx.AsyncClient(trust_env=False, timeout=HANG_SECONDS) as http:
            return (await http.get(self.hook, params={"with": [task_id, "CANCELED"]})).json()

    def follow(self, task_id):
        return self.streams.subscribe(SubscribeToTaskRequest(id=task_id))


def said(value, return_immediately=False, parts=None, hook=None, **more):
    message = Message(
        message_id=f"asked {value[:16]}", role=Role.ROLE_USER, parts=[Part(text=value)] if parts is None else parts, **more
    )
    configuration = SendMessageConfiguration(return_immediately=return_immediately, task_push_notification_config=hook)
    return SendMessageRequest(message=message, configuration=configuration)


async def begun(callee, word, hook=None):
    return await callee.send(said(word, return_immediately=True, hook=hook))


async def refused(work):
    """What an error is to whoever writes `except`: its class."""
    try:
        return {"answered": await work}
    except Exception as error:
        return {"refused": type(error).__name__}


async def everything(events):
    return [event async for event in events]


async def data_and_a_file(callee):
    data = ParseDict({"amount": 1.5, "nested": [{"a": None}, True], "text": "ü"}, Value())
    file = Part(raw=bytes([0, 1, 254, 255]), filename="a.bin", media_type="application/octet-stream")
    return await callee.send(said("", parts=[Part(data=data), file]))


async def read_afterwards(callee):
    task = await callee.send(said("work c"))
    return [await callee.read(task.id), await callee.read(task.id, 0), await callee.read(task.id, 1)]


async def asks_and_is_answered(callee):
    task = await callee.send(said("ask"))
    return [await callee.send(said("this", task_id=task.id, context_id=task.context_id)), await callee.read(task.id)]


async def asks_and_is_answered_with_a_stream(callee):
    task = await callee.send(said("ask"))
    return await callee.stream(said("that", task_id=task.id, context_id=task.context_id))


async def two_in_a_context(callee):
    task = await callee.send(said("work d"))
    return [{"contextId": task.context_id}, await callee.send(said("work e", context_id=task.context_id))]


async def listed(callee):
    context_id = (await callee.send(said("work g"))).context_id
    await callee.send(said("ask", context_id=context_id))
    states = [TaskState.TASK_STATE_COMPLETED, TaskState.TASK_STATE_INPUT_REQUIRED, TaskState.TASK_STATE_FAILED]
    return [
        await callee.waits.list_tasks(
            ListTasksRequest(context_id=context_id, status=state, page_size=10, history_length=0, include_artifacts=True)
        )
        for state in states
    ]


async def cancelled(callee):
    task = await begun(callee, "wait")
    return [await callee.cancel(task.id), await callee.read(task.id)]


async def followed_until_cancelled(callee):
    task = await begun(callee, "wait")
    seen = []
    async for event in callee.follow(task.id):
        seen.append(event)
        if len(seen) == 1:
            await callee.cancel(task.id)
    return seen


async def over_and_cancelled(callee):
    task = await callee.send(said("work h"))
    return await refused(callee.cancel(task.id))


async def over_and_gone_on_with(callee):
    task = await callee.send(said("work i"))
    return await refused(callee.send(said("more", task_id=task.id, context_id=task.context_id)))


async def over_and_followed(callee):
    task = await callee.send(said("work j"))
    return await refused(everything(callee.follow(task.id)))


async def hook_in_a_message(callee):
    task = await begun(callee, "wait", callee.own_hook())
    listed = await callee.hooks(task.id)
    return [listed, await callee.cancel(task.id), await callee.end_heard(task.id)]


async def hook_of_a_task(callee):
    task = await begun(callee, "wait")
    made = await callee.waits.create_task_push_notification_config(callee.own_hook(task.id))
    one = await callee.waits.get_task_push_notification_config(GetTaskPushNotificationConfigRequest(task_id=task.id, id="own"))
    every = await callee.hooks(task.id)
    await callee.cancel(task.id)
    heard = await callee.end_heard(task.id)
    # over HTTP+JSON this client does not take the empty answer of the JavaScript agent: what is left says whether it was deleted
    await refused(
        callee.waits.delete_task_push_notification_config(DeleteTaskPushNotificationConfigRequest(task_id=task.id, id="own"))
    )
    return [made, one, every, heard, await callee.hooks(task.id)]


SCENARIOS = {
    "a message is answered by a message": lambda callee: callee.send(said("hello")),
    "a message is answered by a stream with one message": lambda callee: callee.stream(said("hello")),
    "text in many scripts, with every kind of white space": lambda callee: callee.send(
        said('grüße \U0001f600 漢字 עברית \u0000 \u2028 "\\" <b>\n\t end')
    ),
    "a text of 100,000 characters": lambda callee: callee.send(said("x" * 100_000)),
    "several parts": lambda callee: callee.send(said("", parts=[Part(text="one"), Part(text="two"), Part(text="")])),
    "data and a file": data_and_a_file,
    "a task that is waited for": lambda callee: callee.send(said("work a")),
    "a task that fails": lambda callee: callee.send(said("fail")),
    "a task, streamed to its end": lambda callee: callee.stream(said("work b")),
    "a task, read afterwards": read_afterwards,
    "a task that asks, and is answered": asks_and_is_answered,
    "a task that asks, and is answered with a stream": asks_and_is_answered_with_a_stream,
    "two tasks in a context that the agent chose": two_in_a_context,
    "a context that the client chose": lambda callee: callee.send(said("work f", context_id="a trip")),
    "tasks of a context, listed": listed,
    "a task is cancelled": cancelled,
    "a task is followed until it is cancelled": followed_until_cancelled,
    "a task that is over is not cancelled": over_and_cancelled,
    "a task that is over is not gone on with": over_and_gone_on_with,
    "a task that is over is not followed": over_and_followed,
    "a task that is not there is not read": lambda callee: refused(callee.read("nothing")),
    "a task that is not there is not cancelled": lambda callee: refused(callee.cancel("nothing")),
    "a task that is not there is not followed": lambda callee: refused(everything(callee.follow("nothing"))),
    "a webhook in a message hears of its task": hook_in_a_message,
    "a webhook of a task is made, read, heard, and deleted": hook_of_a_task,
    "a webhook of a task that is not there": lambda callee: refused(
        callee.waits.create_task_push_notification_config(callee.own_hook("nothing"))
    ),
    "a task that is not there is not gone on with": lambda callee: refused(callee.send(said("more", task_id="nothing"))),
}


def plain(value):
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return MessageToDict(value) if hasattr(value, "DESCRIPTOR") else value


async def within(work):
    """What came of it, or why nothing did."""
    try:
        return {"saw": plain(await asyncio.wait_for(work, HANG_SECONDS))}
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"}


def as_run(directory):
    """Certificates of the trust domain name a SPIFFE ID and no host, so that none is looked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.load_verify_locations(os.path.join(directory, "ca.pem"))
    context.load_cert_chain(os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem"))
    return context


async def main(url, binding, hook, directory=None):
    verify = True if directory is None else as_run(directory)
    async with httpx.AsyncClient(verify=verify, trust_env=False, timeout=HANG_SECONDS) as http:

        def client(streaming):
            config = ClientConfig(streaming=streaming, httpx_client=http, supported_protocol_bindings=[binding])
            return ClientFactory(config).create_from_url(url)

        callee = Callee(await client(False), await client(True), hook)
        for scenario, act in SCENARIOS.items():
            print(json.dumps({"scenario": scenario, **await within(act(callee))}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
