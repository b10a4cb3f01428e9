// The thread of one part of a suite (threads.ts).
import { parentPort, workerData } from 'node:worker_threads';
import type { Message, RunPart, Started } from './threads.ts';

const { suite, part, options } = workerData as Started;
const { runPart } = (await import(suite)) as { readonly runPart: RunPart };
const say = (message: Message): void => parentPort?.postMessage(message, []);
const score = await runPart(part, { ...options, onProgress: () => undefined }, (done) => say({ done }));
say({ score });
