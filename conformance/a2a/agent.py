"""The agent of the suite by the official Python SDK: what `agent.ts` does, in both bindings, behind Cordon or on plain loopback.

    agent.py PORT [DIRECTORY]

PORT 0 is any. With a directory (`cert.pem`, `key.pem`, `ca.pem` of a run) it answers the gateway alone. It prints its origin and ends when
its standard input does.
"""

import asyncio
import json
import logging
import os
import socket
import ssl
import sys
import threading

import httpx
import uvicorn
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes, create_rest_routes
from a2a.server.tasks import BasePushNotificationSender, InMemoryPushNotificationConfigStore, InMemoryTaskStore
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    Artifact,
    Message,
    Part,
    Role,
    Task,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)
from client import as_run
from google.protobuf.json_format import MessageToDict
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

GATEWAY = "spiffe://test.example/gateway/"


def saying(context, said, task_id):
    return Message(
        message_id=f"reply to {said[:8]}",
        role=Role.ROLE_AGENT,
        context_id=context.context_id,
        task_id=task_id,
        parts=[Part(text=said)],
    )


async def begin(context, queue, state):
    task = Task(id=context.task_id, context_id=context.context_id, status=TaskStatus(state=state), history=[context.message])
    await queue.enqueue_event(task)


async def update(context, queue, state, said=None):
    message = None if said is None else saying(context, said, context.task_id)
    status = TaskStatus(state=state, message=message)
    await queue.enqueue_event(TaskStatusUpdateEvent(task_id=context.task_id, context_id=context.context_id, status=status))


async def artifact(context, queue, said, append, last_chunk):
    made = Artifact(artifact_id="report", name="report", description="what it came to", parts=[Part(text=said)])
    await queue.enqueue_event(
        TaskArtifactUpdateEvent(
            task_id=context.task_id, context_id=context.context_id, artifact=made, append=append, last_chunk=last_chunk
        )
    )


async def work(context, queue, said):
    await begin(context, queue, TaskState.TASK_STATE_SUBMITTED)
    await update(context, queue, TaskState.TASK_STATE_WORKING, "begun")
    await artifact(context, queue, f"one of {said}", append=False, last_chunk=False)
    await artifact(context, queue, ", two", append=True, last_chunk=True)
    await update(context, queue, TaskState.TASK_STATE_COMPLETED)


async def ask(context, queue, _said):
    await begin(context, queue, TaskState.TASK_STATE_INPUT_REQUIRED)


async def fail(context, queue, _said):
    await begin(context, queue, TaskState.TASK_STATE_WORKING)
    await update(context, queue, TaskState.TASK_STATE_FAILED, "it broke")


async def wait(context, queue, _said):
    await begin(context, queue, TaskState.TASK_STATE_WORKING)
    await asyncio.Event().wait()  # whoever cancels the task cancels this too


DOES = {"work": work, "ask": ask, "fail": fail, "wait": wait}


def heard(part):
    return part.text if part.HasField("text") else json.dumps(MessageToDict(part), sort_keys=True)


class Executor(AgentExecutor):
    async def execute(self, context, event_queue):
        said = "|".join(heard(part) for part in context.message.parts)
        word = said.split(" ", 1)[0]
        if context.current_task is not None:
            await update(context, event_queue, TaskState.TASK_STATE_COMPLETED, f"then: {said}")
        elif word in DOES:
            await DOES[word](context, event_queue, said)
        else:
            await event_queue.enqueue_event(saying(context, said, ""))

    async def cancel(self, context, event_queue):
        await update(context, event_queue, TaskState.TASK_STATE_CANCELED)


def card_at(origin):
    def interface(path, binding):
        return AgentInterface(url=f"{origin}{path}", protocol_binding=binding, protocol_version="1.0")

    return AgentCard(
        name="callee",
        description="does what the first word says",
        version="1",
        supported_interfaces=[interface("/a2a", "JSONRPC"), interface("/rest", "HTTP+JSON")],
        capabilities=AgentCapabilities(streaming=True, push_notifications=True, extended_agent_card=False),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[AgentSkill(id="work", name="work", description="works", tags=["a", "b"])],
    )


def app_at(origin, http):
    card = card_at(origin)
    hooks = InMemoryPushNotificationConfigStore()
    sender = BasePushNotificationSender(http, hooks)
    handler = DefaultRequestHandler(Executor(), InMemoryTaskStore(), card, push_config_store=hooks, push_sender=sender)
    return Starlette(
        routes=[
            *create_agent_card_routes(card),
            *create_jsonrpc_routes(handler, "/a2a"),
            *create_rest_routes(handler, path_prefix="/rest"),
        ]
    )


class GatewayAlone(H11Protocol):
    """A chain of the trust domain is proven by the handshake; whose it is, here."""

    def connection_made(self, transport):
        names = transport.get_extra_info("peercert").get("subjectAltName", ())
        if len(names) == 1 and names[0][0] == "URI" and names[0][1].startswith(GATEWAY):
            super().connection_made(transport)
        else:
            transport.abort()


def mesh(directory):
    return {
        "http": GatewayAlone,
        "ssl_certfile": os.path.join(directory, "cert.pem"),
        "ssl_keyfile": os.path.join(directory, "key.pem"),
        "ssl_ca_certs": os.path.join(directory, "ca.pem"),
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
    }


def main(port, directory=None):
    logging.disable(logging.CRITICAL)  # refusals are what it is asked for
    listener = socket.create_server(("127.0.0.1", int(port)))
    origin = f"{'http' if directory is None else 'https'}://127.0.0.1:{listener.getsockname()[1]}"
    http = httpx.AsyncClient(verify=True if directory is None else as_run(directory), trust_env=False)
    config = uvicorn.Config(app_at(origin, http), log_config=None, **({} if directory is None else mesh(directory)))
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    print(origin, flush=True)
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


def end_with_input():
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_input, daemon=True).start()
    main(*sys.argv[1:])
