// Text that speaks to the assistant instead of to a reader: where such words begin, nothing after them may supply a value. General signs
// of orders hidden in content, not the wording of any one attack; they only ever take trust away, so that a text without them gains nothing.
import { type Fingerprints, MAX_MARKS, type Watch, type Words } from './fingerprints.ts';

interface Sign {
  /** No text shows the sign without one of these words: around them alone it is looked for. */
  readonly words: string;
  readonly pattern: RegExp;
}

const SIGNS: readonly Sign[] = [
  // to override what was said before
  {
    words: 'ignore disregard forget override bypass discard neglect abandon',
    pattern:
      /\b(?:ignore|disregard|forget|override|bypass|discard|neglect|abandon)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|preceding|former|original|initial|current|other|all|any|your|the|these|those)\b[^.\n]{0,40}\b(?:\w*structions?|prompts?|tasks?|rules?|directives?|guidelines?|orders?|messages?|requests?|context|goal)\b/i,
  },
  {
    words: 'instruction instructions directive directives prompt order orders task',
    pattern:
      /\b(?:new|updated|following|next|real|actual|special|additional|urgent|important|system|hidden)\s+(?:system\s+)?(?:instructions?|directives?|prompt|orders?|task)\s*:/i,
  },
  // of the conversation that only an assistant has
  {
    words: 'task tasks request query instruction instructions job goal',
    pattern:
      /\b(?:your|the|this|that|current|original|first|my)\s+(?:main\s+)?(?:task|tasks|request|query|instructions?|job|goal)\s+(?:that\s+)?(?:i|we|you|the user|user|they|has|have|was|were)\b/i,
  },
  {
    words: 'task tasks request requests query queries instruction instructions question original user',
    pattern:
      /\b(?:before|after|while|when|once|prior to)\b[^.\n]{0,24}\b(?:you\s+)?(?:can\s+|could\s+|may\s+)?(?:solv|complet|finish|continu|proceed|answer|respond|carry|perform|execut|do)\w*\b[^.\n]{0,24}\b(?:tasks?|requests?|quer(?:y|ies)|instructions?|question|original|user)\b/i,
  },
  {
    words: 'tool tools function functions command commands api action actions plugin plugins',
    pattern:
      /\b(?:you should|you must|you need to|please|make sure to|now)\s+(?:use|call|invoke|run|execute)\s+(?:the\s+)?(?:tool|function|command|api|action|plugin)s?\b/i,
  },
  // to a model by what it is
  {
    words:
      'ai llm llms model models chatbot chatgpt gpt gpt3 gpt4 gpt5 claude gemini llama mistral mixtral copilot assistant agent agents automated',
    pattern:
      /\b(?:to you|you are|you're|dear|hello|hi|hey|attention|note to|as an?|for|if you are|instructions? (?:to|for))[,:]?\s+(?:the\s+|an?\s+|my\s+|any\s+|all\s+)?(?:ai|a\.i\.|llms?|language model|large language model|chat\s?bot|chatgpt|gpt\S*|claude|gemini|llama|mistral|mixtral|copilot|assistant|agents?|model|virtual assistant|automated)\b/i,
  },
  { words: 'ai language', pattern: /\b(?:ai|language)\s+(?:model|assistant|agent)s?\b/i },
  // of its user in the third person
  {
    words: 'user users',
    pattern: /\b(?:the|this|your) user(?:['’]+s)?\b(?! (?:guide|manual|interface|experience|name|id|account|group))/i,
  },
  // markers of another speaker: pseudo tags, roles, order words in front of an order
  {
    words:
      'information info system instruction instructions important user assistant admin prompt task tool tools function command secret s inst',
    pattern:
      /<\/?\s*(?:information|info|system|instructions?|important|user|assistant|admin|prompt|task|tools?|function|command|secret|s|inst)\s*\/?>|\[\/?\s*(?:system|inst|instructions?|important|assistant|admin|prompt)\s*\]/i,
  },
  {
    words: 'system assistant developer human user',
    pattern: /(?:^|\n)\s*#*\s*(?:system|assistant|developer|human|user)\s*(?:message|prompt|note|instructions?)?\s*:/i,
  },
  {
    words: 'todo task required instruction instructions directive command order',
    pattern:
      /\b(?:todo|to-do|task|action required|instructions?|directive|command|order)\s*[:!]+\s*(?:please\s+|kindly\s+|do\s+|now\s+)*[a-z]+\b(?!\s*[:;])/i,
  },
  { words: 'important urgent attention critical warning', pattern: /\b(?:important|urgent|attention|critical|warning)\s*!{2,}/i },
  { words: 'strictly', pattern: /\bstrictly (?:adhere|follow|obey|comply)\b/i },
  // a call written out
  {
    words: 'tool function argument arguments parameter parameters',
    pattern: /\b(?:tool|function|arguments?|parameters?)\b[^.\n]{0,30}[:=]?\s*[{[]\s*['"]\w+['"]\s*:/i,
  },
];

/** How far around one of its words a sign reaches. */
const REACH = 200;
const TABLE = 1 << 12;

export class Orders {
  /** Fingerprint of a word → the signs that it may belong to, as bits: what texts are to be read with. */
  readonly watch: Watch = { keys: new Int32Array(TABLE), values: new Int32Array(TABLE) };

  constructor(fingerprints: Fingerprints) {
    SIGNS.forEach(({ words }, sign) => {
      const { first, count } = fingerprints.read(words);
      for (let at = 0; at < count; at += 1) this.#add(first[at] ?? 0, 1 << sign);
    });
  }

  #add(key: number, sign: number): void {
    const { keys, values } = this.watch;
    let slot = key & (TABLE - 1);
    while (values[slot] !== 0 && keys[slot] !== key) slot = (slot + 1) & (TABLE - 1);
    keys[slot] = key;
    values[slot] = (values[slot] ?? 0) | sign;
  }

  /** The word of `text` from which on it speaks to the assistant; the number of its words when it does not. */
  startIn(text: string, { start, count, mark, marked, marks }: Words): number {
    let found = text.length;
    for (let at = 0; at < marks; at += 1) {
      const place = mark[at] ?? 0;
      if (place > found + REACH) break;
      found = Math.min(found, signIn(text, place, marked[at] ?? 0));
    }
    // so many words of signs: what comes after the last that was looked at is in doubt as a whole
    if (marks === MAX_MARKS) found = Math.min(found, mark[marks - 1] ?? 0);
    if (found === text.length) return count;
    return wordAt(start, count, sentenceStart(text, found));
  }
}

function signIn(text: string, place: number, signs: number): number {
  const from = Math.max(0, place - REACH);
  const around = text.slice(from, place + REACH);
  let start = text.length;
  for (const [sign, { pattern }] of SIGNS.entries()) {
    const at = (signs & (1 << sign)) === 0 ? -1 : around.search(pattern);
    if (at !== -1) start = Math.min(start, from + at);
  }
  return start;
}

/** What stands before the sign in its sentence belongs to it. */
function sentenceStart(text: string, sign: number): number {
  let at = sign;
  while (at > 0 && !'.!?\n'.includes(text[at - 1] ?? '')) at -= 1;
  return at;
}

function wordAt(starts: Int32Array, count: number, place: number): number {
  let at = 0;
  while (at < count && (starts[at] ?? 0) < place) at += 1;
  return at;
}
