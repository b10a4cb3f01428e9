// The worker that reads table tests: reading a megabyte of YAML takes a second, and decisions do not wait for it.
import * as z from 'zod';
import { answering } from '../policy/cedar/official-thread.ts';
import { parseTable } from './policy-table.ts';

const named = z.array(z.object({ name: z.string() }));
const QUESTION = z.object({
  files: z.array(z.object({ path: z.string(), text: z.string() })),
  registered: z.object({ agents: named, resources: named }),
});

answering((asked) => {
  const { files, registered } = QUESTION.parse(asked);
  const tables = files.map(({ path, text }) => parseTable(text, path, registered));
  return { tests: tables.flatMap(({ tests }) => tests), problems: tables.flatMap(({ problems }) => problems) };
});
