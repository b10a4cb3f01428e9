// The worker of admission: a text that takes the engine down takes down this thread, never a decision.
import { ChunkChecker, isChunk } from './admission-chunk.ts';
import { answering } from './cedar/official-thread.ts';

const checker = new ChunkChecker();
answering((asked) => {
  if (!isChunk(asked)) throw new Error('that is no chunk of policies');
  return checker.check(asked);
});
