// A first configuration: files that say what each line is for, and that `cordon up` takes as they are.
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Refusal } from '../domain/refusal.ts';

const CONFIG = `# Cordon's configuration. Everything that is not listed here does not exist.
# Check it: cordon doctor      Start it: cordon up

trustDomain: desk.example

# Where Cordon listens. Agents speak to the gateway and nothing else.
listen:
  gateway: 127.0.0.1:8443
  control: 127.0.0.1:8444
  identity: 127.0.0.1:8445

# Between segments nothing flows, unless a link says so.
segments:
  desk: { links: [tools] }
  tools: {}

# Who may be started: cordon run --as assistant -- CMD
agents:
  assistant: { segment: desk, owner: you@desk.example, purpose: answers questions about the files }

# MCP servers. The gateway starts the one below itself, so nothing else can reach it. To have it:
#   npm init -y && npm install --save-exact @modelcontextprotocol/server-filesystem && mkdir -p files && echo hello > files/a.txt
# then put these lines in place of \`resources: {}\`, and take the \`//\` off the last permit in policies/assistant.cedar.
resources: {}
#resources:
#  files:
#    segment: tools
#    reads: [read_text_file, list_directory, search_files]
#    mcp: { stdio: [node_modules/.bin/mcp-server-filesystem, ./files] }

# Directory of *.cedar files and their *.test.yaml. After a change: cordon policy check && cordon policy test && cordon policy apply
policies: policies

# How long an identity lives; it is renewed at half of that.
svid: { ttl: 15m }
`;

const SESSIONS = `// Who may open a session with a tool server and list its tools. What is in the list is another matter: an agent sees only
// the tools that some permit could allow it to call.
@id("sessions")
@owner("you@desk.example")
@reason("a session by itself does nothing")
permit (
  principal,
  action in Action::"mcp/session",
  resource
);
`;

const ASSISTANT = `// What the assistant may do. Nothing here means nothing is allowed: there is no other default.
// Ask: cordon can assistant files/read_text_file --input '{"path":"a.txt"}'
@id("assistant-reads")
@owner("you@desk.example")
@reason("reading is what it is for")
permit (
  principal == Agent::"assistant",
  action in Action::"read",
  resource in Segment::"tools"
);

// With the server of cordon.yaml: one tool, and only for text files.
//
// @id("assistant-writes-notes")
// @owner("you@desk.example")
// @reason("notes are text")
// permit (
//   principal == Agent::"assistant",
//   action == Action::"files/write_file",
//   resource
// )
// when { context.input.path like "*.txt" && !(context.input.path like "*..*") };
`;

const TESTS = `# What the policies decide, call by call. Nothing is called. Run them: cordon policy test      Again after each change: --watch
tests:
  - name: nobody said that the assistant may write to agents
    agent: assistant
    action: a2a/SendMessage
    resource: assistant
    input: { text: hello }
    expect: CORDON-3001 # no permit matches

# With the server of cordon.yaml, once \`cordon up\` has seen its tools:
#
#  - name: the assistant reads a file
#    agent: assistant
#    call: files/read_text_file
#    input: { path: a.txt }
#    expect: allow
#    policy: assistant-reads
#
#  - name: it lists the tools
#    agent: assistant
#    action: tools/list
#    resource: files
#    expect: allow
#
#  - name: it writes nothing
#    agent: assistant
#    call: files/write_file
#    input: { path: a.txt, content: hello }
#    expect: CORDON-3001
#
#  - name: a restricted assistant still reads
#    agent: assistant
#    levels: { assistant: restricted }
#    call: files/read_text_file
#    input: { path: a.txt }
#    expect: allow
`;

const FILES: readonly (readonly [path: string, text: string])[] = [
  ['cordon.yaml', CONFIG],
  ['policies/sessions.cedar', SESSIONS],
  ['policies/assistant.cedar', ASSISTANT],
  ['policies/assistant.test.yaml', TESTS],
];

/** In a clone and in the package alike. */
const PACK = new URL('../../packs/containment/containment.cedar', import.meta.url);

const IGNORE = '.gitignore';
const IGNORED = '.cordon/';

export interface Starter {
  /** Files that were written. */
  readonly made: readonly string[];
  /** The file that was there; then nothing was written. */
  readonly taken?: string;
  /** A .gitignore that was there and does not cover the data directory. */
  readonly ignore?: string;
}

/** Writes the files into `root`, all or none of them; `containment`: the pack too. @throws Refusal CORDON-9006 when the directory cannot be written */
export async function writeStarter(root: string, containment = false): Promise<Starter> {
  const pack = containment ? [['policies/containment.cedar', await readFile(PACK, 'utf8')] as const] : [];
  const files = [...FILES, ...pack];
  for (const [path] of files) {
    const taken = join(root, path);
    if (await isThere(taken)) return { made: [], taken };
  }
  const made: string[] = [];
  try {
    for (const [path, text] of files) {
      const file = join(root, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text, { flag: 'wx' });
      made.push(file);
    }
    const ignore = join(root, IGNORE);
    const there = await readFile(ignore, 'utf8').catch(() => undefined);
    if (there !== undefined) return there.split('\n').some((line) => /^\/?\.cordon\/?$/.test(line.trim())) ? { made } : { made, ignore };
    await writeFile(ignore, `# what Cordon keeps: keys, database, log\n${IGNORED}\n`, { flag: 'wx' });
    return { made: [...made, ignore] };
  } catch (cause) {
    for (const file of made) await rm(file, { force: true });
    throw new Refusal('CORDON-9006', `cannot write in \`${root}\``, { cause, fix: 'choose a directory that this user may write to' });
  }
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
