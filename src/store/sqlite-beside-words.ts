// What the two threads of `sqlite-beside.ts` say to each other.
import type { DecisionTable } from './schema.ts';

/** What the thread is asked; answered in order by a `Reply`. */
export type Asked = readonly DecisionTable[] | 'close';
/** Of a batch: nothing, or why it was not written. */
export type Reply = { readonly code: string; readonly message: string; readonly fix: string } | undefined;
