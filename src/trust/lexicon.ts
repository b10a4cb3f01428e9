// Words of English for what tools do and what they do it to. They are about the language of tool names and of requests; no tool, data set
// or vendor is behind them.

/** A word without its commonest endings: enough to see that `adjusting` and `adjusted` are one. */
export function stem(word: string): string {
  const short = word
    .toLowerCase()
    .replace(/(?:'s|’s)$/, '')
    .replace(/ies$/, 'y')
    .replace(/(?<=[a-z]{3})(?:ing|ed)$/, '')
    .replace(/(?<=(?:ss|x|ch|sh))es$/, '')
    .replace(/(?<=[a-z]{2}[^s])s$/, '');
  return short.replace(/(?<=[a-z]{3})e$/, '').replace(/([bdfgmnprt])\1$/, '$1');
}

export const wordsOf = (name: string): string[] =>
  name
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');

const stems = (words: string): string[] => words.split(' ').map(stem);
const set = (words: string): ReadonlySet<string> => new Set(stems(words));

export const READS = set(
  'get list search read check find fetch show view retrieve query lookup look count browse return returns describe inspect print calculate compute compare filter visit browse summarize summarise preview total',
);

/** Verbs of tools that change something, in groups that people use for one another. A verb may stand in several. */
const GROUPS: readonly (readonly string[])[] = [
  'create add new write register open start generate insert append compose draft upload make',
  'book reserve schedule arrange organize organise booking reservation',
  'update change modify edit adjust reschedule replace fix correct increase decrease extend postpone shift amend alter reset set switch raise lower',
  'delete remove cancel clear drop unsubscribe revoke kick erase clean purge unstar undo discard cancellation deletion',
  'send email mail message post share forward reply respond notify tell inform write invite publish submit dm text announce remind thank congratulate answer',
  'pay transfer send refund buy purchase order checkout settle reimburse repay donate wire payment',
  'add invite append include join assign enrol enroll register',
  'login log sign authenticate connect',
  'verify confirm authenticate validate verification',
  'download save store',
  'copy duplicate backup clone',
  'move rename transfer relocate',
  'input fill submit enter type complete register sign subscribe apply interact',
  'push commit upload sync publish',
  'pull sync download',
  'clone copy download',
  'star like favorite favourite bookmark follow',
  'run execute start stop restart launch deploy install',
  'approve reject accept decline merge close',
  'enable disable activate deactivate lock unlock grant',
].map(stems);

export const CHANGES: ReadonlySet<string> = new Set(GROUPS.flat());

const OBJECTS: readonly (readonly string[])[] = [
  'pay payment transaction transfer money bill invoice refund rent standing subscription bank fee price fund funds cash salary difference cent euro dollar iban owe spend',
  'email mail e-mail inbox correspondence letter',
  'message dm chat reply channel comment conversation note',
  'event meeting appointment calendar schedule lunch dinner call session invitation participant reminder',
  'file document folder directory path note report drive attachment node list spreadsheet pdf txt md',
  'user account profile info information personal detail member people person colleague friend everyone employee',
  'password credential login passphrase',
  'webpage website site page form url web link online',
  'order cart product item purchase shop shopping basket',
  'hotel restaurant car flight trip booking reservation room table stay',
  'repository repo git github code project commit branch',
  'collaborator contributor member maintainer',
].map(stems);

/** What stands so many words behind a verb is what it is done to. */
const REACH = 8;

const shares = (groups: readonly (readonly string[])[], one: readonly string[], other: readonly string[]): boolean =>
  one.some((word) => other.includes(word)) ||
  groups.some((group) => one.some((word) => group.includes(word)) && other.some((word) => group.includes(word)));

/** What a text asks for: verbs, each with the words behind it in its sentence, which a tool can be held against. */
export class Asked {
  readonly #clauses: readonly { readonly verb: string; readonly words: readonly string[] }[];

  constructor(text: string) {
    this.#clauses = text
      .replace(/e-mail/gi, 'email')
      .split(/[.!?;\n]+/)
      .flatMap((sentence) => {
        const words = wordsOf(sentence).map(stem);
        return words.flatMap((verb, at) => (CHANGES.has(verb) ? [{ verb, words: words.slice(at, at + REACH) }] : []));
      });
  }

  /** Whether the text asks for a tool that does `verb` to `object`. */
  for({ verb, object }: { readonly verb: string; readonly object: string }): boolean {
    return this.#clauses.some(
      (clause) => shares(GROUPS, [verb], [clause.verb]) && (object === '' || shares(OBJECTS, [object], clause.words)),
    );
  }
}

/** Words that hand the task to a source: what that source says to do is then what the person asked for. */
const DELEGATES =
  /\b(?:follow|do|perform|execute|complete|carry out|handle|take care of|act on|finish|work through)\b[^.!?]{0,40}\b(?:instructions?|tasks?|actions?|steps?|to-?dos?|requests?|directions)\b(?![^.!?]{0,20}\b(?:following|below)\b)/i;
const INLINE = /\b(?:following|below|these)\s+(?:\w+\s+)?(?:instructions?|tasks?|actions?|steps?|requests?)\b/i;

export const delegates = (text: string): boolean => DELEGATES.test(text) && !INLINE.test(text);
