// Text that speaks to the assistant instead of to a reader: where such words begin, nothing after them may supply a value. General signs
// of orders hidden in content, not the wording of any one attack; they only ever take trust away, so that a text without them gains nothing.

/** One alternative per sign. Each is anchored on a word that is rare in content, so that reading stays linear. */
const SIGNS: readonly RegExp[] = [
  // to override what was said before
  /\b(?:ignore|disregard|forget|override|bypass|discard|neglect|abandon)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|preceding|former|original|initial|current|other|all|any|your|the|these|those)\b[^.\n]{0,40}\b(?:\w*structions?|prompts?|tasks?|rules?|directives?|guidelines?|orders?|messages?|requests?|context|goal)\b/i,
  /\b(?:new|updated|following|next|real|actual|special|additional|urgent|important|system|hidden)\s+(?:system\s+)?(?:instructions?|directives?|prompt|orders?|task)\s*:/i,
  // of the conversation that only an assistant has
  /\b(?:your|the|this|that|current|original|first|my)\s+(?:main\s+)?(?:task|tasks|request|query|instructions?|job|goal)\s+(?:that\s+)?(?:i|we|you|the user|user|they|has|have|was|were)\b/i,
  /\b(?:before|after|while|when|once|prior to)\b[^.\n]{0,24}\b(?:you\s+)?(?:can\s+|could\s+|may\s+)?(?:solv|complet|finish|continu|proceed|answer|respond|carry|perform|execut|do)\w*\b[^.\n]{0,24}\b(?:tasks?|requests?|quer(?:y|ies)|instructions?|question|original|user)\b/i,
  /\b(?:you should|you must|you need to|please|make sure to|now)\s+(?:use|call|invoke|run|execute)\s+(?:the\s+)?(?:tool|function|command|api|action|plugin)s?\b/i,
  // to a model by what it is
  /\b(?:to you|you are|you're|dear|hello|hi|hey|attention|note to|as an?|for|if you are|instructions? (?:to|for))[,:]?\s+(?:the\s+|an?\s+|my\s+|any\s+|all\s+)?(?:ai|a\.i\.|llm|llms|language model|large language model|chat\s?bot|chatgpt|gpt\S*|claude|gemini|llama|mistral|mixtral|copilot|assistant|agents?|model|virtual assistant|automated)\b/i,
  /\b(?:ai|language)\s+(?:model|assistant|agent)s?\b/i,
  // of its user in the third person
  /\b(?:the|this|your) user(?:['’]+s)?\b(?! (?:guide|manual|interface|experience|name|id|account|group))/i,
  // markers of another speaker: pseudo tags, roles, order words in front of an order
  /<\/?\s*(?:information|info|system|instructions?|important|user|assistant|admin|prompt|task|tool\w*|function\w*|command|secret|s|inst|\|[^>]*\|)\s*\/?>/i,
  /\[\/?\s*(?:system|inst|instructions?|important|assistant|admin|prompt)\s*\]/i,
  /(?:^|\n)\s*#*\s*(?:system|assistant|developer|human|user)\s*(?:message|prompt|note|instructions?)?\s*:/i,
  /\b(?:todo|to-do|task|action required|instructions?|directive|command|order)\s*[:!]+\s*(?:please\s+|kindly\s+|do\s+|now\s+)*[a-z]+\b(?!\s*[:;])/i,
  /\b(?:important|urgent|attention|critical|warning)\s*!{2,}/i,
  /\bstrictly (?:adhere|follow|obey|comply)\b/i,
  // a call written out
  /\b(?:tool|function|arguments?|parameters?)\b[^.\n]{0,30}[:=]?\s*[{[]\s*['"]\w+['"]\s*:/i,
];

/** A sentence before the sign belongs to it. */
const SENTENCE = /[.!?\n](?=[^.!?\n]*$)/;

/** Where words to the assistant begin; the length of the text when there are none. */
export function orderStart(text: string): number {
  let start = text.length;
  for (const sign of SIGNS) {
    const at = sign.exec(text.length === start ? text : text.slice(0, start + 200))?.index ?? -1;
    if (at !== -1 && at < start) start = at;
  }
  if (start === text.length) return start;
  const before = SENTENCE.exec(text.slice(0, start));
  return before === null ? 0 : before.index + 1;
}
