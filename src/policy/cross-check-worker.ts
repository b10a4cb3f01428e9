// The worker of the cross-check.
import { answering } from './cedar/official-thread.ts';
import { Judge } from './cross-check-judge.ts';

const judge = new Judge();
answering((asked) => judge.answer(asked));
