// The Node.js runtime: loads the function's handler and calls it for each invocation.
//
// Stands alone inside every sandbox at /var/runtime/bootstrap.cjs. Descriptor 3 is the channel to the server, in the frames that bootstrap.py
// describes. Behaviour and texts follow "Define Lambda function handler in Node.js", "Using the Lambda context object to retrieve Node.js
// function information" and "Log and monitor Node.js Lambda functions" of the AWS Lambda Developer Guide.
'use strict';

const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const util = require('node:util');
const { pathToFileURL } = require('node:url');
const { createRequire } = require('node:module');
const { Writable } = require('node:stream');

const RESPONSE_BYTES_MAX = 6 * 1024 * 1024 + 100;
const TASK_ROOT = process.env.LAMBDA_TASK_ROOT || '/var/task';
const JSON_LOG = process.env.AWS_LAMBDA_LOG_FORMAT === 'JSON';
const IDLE_MS = 2;
const CALLBACKS = Number(process.versions.node.split('.')[0]) < 24; // Node.js 24 and later have no handlers with callbacks any more.
const LEVELS = { TRACE: 1, DEBUG: 2, INFO: 3, WARN: 4, ERROR: 5, FATAL: 6 };
const LEVEL_MIN = LEVELS[(process.env.AWS_LAMBDA_LOG_LEVEL || '').toUpperCase()] || 0;

let initialised = false;
let answered = true; // No invocation is under way.
let askedAt = 0; // When the last answer went.
let parting = null; // An answer that is ready to go.
let requestId; // Of the invocation under way; undefined in the Init phase, and logged as such.
let waitsForEmptyLoop = null; // Sends the answer once nothing is left to do.

// ---- log

function writeMessage(text) {
  const data = Buffer.from(text, 'utf8');
  const header = Buffer.alloc(16);
  header.writeUInt32BE(0xa55a0003, 0);
  header.writeUInt32BE(data.length, 4);
  header.writeBigUInt64BE(BigInt(Date.now()) * 1000n, 8);
  let rest = Buffer.concat([header, data]);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(2, rest));
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); // The pipe is full; its reader needs a moment.
    }
  }
}

function errorForLog(error) {
  const out = { errorType: error.name ?? 'UnknownError', errorMessage: error.message, ...error };
  if (typeof error.stack === 'string') out.stack = error.stack.split('\n');
  return out;
}

// An error as the value of a message, at any depth, or beside a message of several values.
function errorForJsonLog(error) {
  const errorType = error instanceof NamedError ? error.name : error.constructor?.name ?? 'UnknownError';
  return { errorType, errorMessage: error.message, stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : [] };
}

function log(level, ...values) {
  if (LEVELS[level] < LEVEL_MIN) return;
  const time = new Date().toISOString();
  if (!JSON_LOG) {
    writeMessage(`${time}\t${requestId}\t${level}\t${util.format(...values)}`);
    return;
  }
  const entry = { timestamp: time, level, requestId, message: values.length === 1 ? values[0] : util.format(...values) };
  const failed = values.find((value) => value instanceof Error);
  if (failed !== undefined && values.length > 1) Object.assign(entry, errorForJsonLog(failed));
  let text;
  try {
    text = JSON.stringify(entry, (_, value) => (value instanceof Error ? { ...errorForJsonLog(value), ...value } : value));
  } catch {
    text = JSON.stringify({ ...entry, message: util.format(...values) }); // Cyclic, or with big integers.
  }
  writeMessage(text);
}

function patchConsole() {
  console.log = (...values) => log('INFO', ...values);
  console.info = (...values) => log('INFO', ...values);
  console.debug = (...values) => log('DEBUG', ...values);
  console.warn = (...values) => log('WARN', ...values);
  console.error = (...values) => log('ERROR', ...values);
  console.trace = (...values) => log('TRACE', ...values);
  console.fatal = (...values) => log('FATAL', ...values);
}

function logError(what, error) {
  if (JSON_LOG) log('ERROR', error instanceof Error ? error : new Error(util.format(error)));
  else log('ERROR', `${what} \t${JSON.stringify(error instanceof Error ? errorForLog(error) : error)}`);
}

// ---- channel

const channel = new net.Socket({ fd: 3, readable: true, writable: true });
let chunks = []; // Of frames that have not been taken yet, and how many bytes they are.
let chunksLength = 0;
let wanting = null; // Resolves the promise of `next`.

function frameOf(kind, ...parts) {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'utf8') : part)));
  const header = Buffer.alloc(5);
  header.write(kind, 0, 'latin1');
  header.writeUInt32BE(body.length, 1);
  return Buffer.concat([header, body]);
}

function send(kind, ...parts) {
  channel.write(frameOf(kind, ...parts));
}

function sendAndExit(code, kind, ...parts) {
  channel.ref();
  send(kind, ...parts);
  channel.end(() => process.exit(code));
}

function answer(kind, text) {
  const tooLarge = kind === 'R' && Buffer.byteLength(text, 'utf8') > RESPONSE_BYTES_MAX;
  part(tooLarge ? 'L' : kind, tooLarge ? '' : text);
}

// An answer says as well that this process waits for the next invocation: so it goes only when what the function has left undone has had its turn to fail.
function part(kind, text) {
  answered = true;
  parting = [kind, `${requestId}\n${Math.round(process.resourceUsage().maxRSS)}\n`, text];
  setImmediate(sendParting);
}

function sendParting() {
  if (parting === null) return;
  const frame = parting;
  parting = null;
  askedAt = performance.now();
  send(...frame);
}

function errorDocument(error) {
  if (error instanceof Error || util.types.isNativeError(error)) {
    return JSON.stringify({ errorType: error.name, errorMessage: error.message, trace: (error.stack ?? '').split('\n') });
  }
  return JSON.stringify({ errorType: typeof error, errorMessage: String(error), trace: [] });
}

// ---- handler

const NO_CALLBACKS = 'ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later. For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.';
const NEVER_SETTLED = 'The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes';

class NamedError extends Error {
  constructor(name, message) {
    super(message);
    this.name = name;
  }
}

function isModule(file) {
  if (file.endsWith('.mjs')) return true;
  if (file.endsWith('.cjs')) return false;
  for (let directory = path.dirname(file); ; directory = path.dirname(directory)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(directory, 'package.json'), 'utf8')).type === 'module';
    } catch {
      if (directory === path.dirname(directory)) return false; // No package.json up to the root.
    }
  }
}

async function loadHandler(name) {
  const base = path.basename(name);
  const dot = base.indexOf('.');
  if (dot < 1 || dot === base.length - 1) throw new NamedError('Runtime.MalformedHandlerName', 'Bad handler');
  const moduleName = path.join(path.dirname(name), base.slice(0, dot));
  const stem = path.resolve(TASK_ROOT, moduleName);
  const file = [stem, `${stem}.js`, `${stem}.mjs`, `${stem}.cjs`].find((candidate) => fs.existsSync(candidate) && fs.statSync(candidate).isFile());
  let loaded;
  try {
    if (file === undefined) {
      loaded = createRequire(path.join(TASK_ROOT, '_'))(fs.existsSync(stem) ? stem : moduleName);
    } else {
      loaded = isModule(file) ? await import(pathToFileURL(file).href) : require(file);
    }
  } catch (error) {
    if (error instanceof SyntaxError) throw new NamedError('Runtime.UserCodeSyntaxError', error.toString());
    if (error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND') {
      throw new NamedError('Runtime.ImportModuleError', file === undefined ? `Error: Cannot find module '${moduleName}'\nRequire stack:\n- /var/runtime/index.mjs` : error.toString());
    }
    throw error;
  }
  let found = loaded;
  for (const part of base.slice(dot + 1).split('.')) found = found?.[part] ?? (found === loaded ? loaded?.default?.[part] : undefined);
  if (found === undefined || found === null) throw new NamedError('Runtime.HandlerNotFound', `${name} is undefined or not exported`);
  if (typeof found !== 'function') throw new NamedError('Runtime.HandlerNotFound', `${name} is not a function`);
  if (!CALLBACKS && found.length >= 3 && !found[STREAMS]) throw new NamedError('Runtime.CallbackHandlerDeprecated', NO_CALLBACKS);
  return found;
}

// ---- streamed answers

const STREAMS = Symbol.for('aws.lambda.runtime.handler.streaming');
const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response';
const CHUNK_BYTES_MAX = 1 << 20;

// What the function writes its answer to. The first byte fixes the content type.
class ResponseStream extends Writable {
  #id;
  #type = 'application/octet-stream';
  #begun = false;

  constructor(id) {
    super({ highWaterMark: 65536 });
    this.#id = id;
  }

  setContentType(type) {
    if (this.#begun) throw new Error('Cannot set content-type, too late.');
    this.#type = type;
  }

  begin() {
    if (this.#begun) return;
    this.#begun = true;
    send('B', `${this.#id}\n${this.#type}`);
  }

  _write(chunk, encoding, done) {
    this.begin();
    for (let at = 0; at < chunk.length; at += CHUNK_BYTES_MAX) send('C', `${this.#id}\n`, chunk.subarray(at, at + CHUNK_BYTES_MAX));
    if (channel.writableNeedDrain) channel.once('drain', done);
    else done();
  }

  _final(done) {
    this.begin();
    done();
  }
}

globalThis.awslambda = {
  streamifyResponse(handler, options) {
    handler[STREAMS] = true;
    return handler;
  },
  HttpResponseStream: {
    from(stream, prelude) {
      stream.setContentType(PRELUDE_TYPE);
      stream.write(JSON.stringify(prelude));
      stream.write(Buffer.alloc(8));
      return stream;
    },
  },
};

async function invokeStreaming(handler, invocation) {
  const stream = new ResponseStream(invocation.id);
  const finished = new Promise((resolve, reject) => stream.once('finish', resolve).once('error', reject));
  finished.catch(() => {});
  let failure = '';
  try {
    const result = handler(parseEvent(invocation.payload), stream, makeContext(invocation, () => {}));
    if (typeof result?.then !== 'function') throw new NamedError('Streaming does not support non-async handlers.', 'Streaming does not support non-async handlers.');
    await result;
    await finished;
  } catch (error) {
    logError('Invoke Error', error);
    failure = errorDocument(error);
    stream.begin();
    stream.destroy();
  }
  part('D', failure);
}

// ---- invocation

function parseEvent(payload) {
  try {
    return JSON.parse(payload);
  } catch (error) {
    throw new NamedError('Runtime.UnmarshalError', `Unable to unmarshal input: ${error.message}`);
  }
}

function parseInvocation(body) {
  const end = body.indexOf('\n\n');
  const [id, arn, trace, remaining, contexts] = body.toString('utf8', 0, end).split('\n');
  return { id, arn, trace, remaining: Number(remaining), contexts: contexts ? JSON.parse(contexts) : ['', ''], payload: body.toString('utf8', end + 2) };
}

function makeContext(invocation, done) {
  const deadline = performance.now() + invocation.remaining;
  const environment = process.env;
  const context = {
    functionVersion: environment.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: environment.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: environment.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: environment.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: environment.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: invocation.contexts[0] ? JSON.parse(invocation.contexts[0]) : undefined,
    identity: invocation.contexts[1] ? JSON.parse(invocation.contexts[1]) : undefined,
    invokedFunctionArn: invocation.arn,
    awsRequestId: invocation.id,
    getRemainingTimeInMillis: () => Math.max(Math.floor(deadline - performance.now()), 0),
  };
  if (!CALLBACKS) return context;
  context.callbackWaitsForEmptyEventLoop = true;
  context.succeed = (result) => { context.callbackWaitsForEmptyEventLoop = false; done(null, result); };
  context.fail = (error) => { context.callbackWaitsForEmptyEventLoop = false; done(error ?? 'handled'); };
  context.done = (error, result) => { context.callbackWaitsForEmptyEventLoop = false; done(error, result); };
  return context;
}

function invoke(handler, invocation) {
  requestId = invocation.id;
  answered = false;
  if (invocation.trace !== '-') process.env._X_AMZN_TRACE_ID = invocation.trace;
  else delete process.env._X_AMZN_TRACE_ID;
  if (handler[STREAMS]) return invokeStreaming(handler, invocation);
  return new Promise((resolve) => {
    let over = false;
    const finish = (kind, text) => {
      if (over) return;
      over = true;
      waitsForEmptyLoop = null;
      channel.ref();
      answer(kind, text);
      resolve();
    };
    const fail = (error) => {
      logError('Invoke Error', error);
      finish('E', errorDocument(error));
    };
    const succeed = (result) => {
      let text;
      try {
        text = JSON.stringify(result === undefined ? null : result);
      } catch {
        fail(new NamedError('Runtime.MarshalError', 'Unable to stringify response body'));
        return;
      }
      finish('R', text ?? 'null');
    };
    let called = false;
    const context = makeContext(invocation, (error, result) => {
      if (called) return;
      called = true;
      const settle = () => (error !== null && error !== undefined ? fail(error) : succeed(result));
      if (!context.callbackWaitsForEmptyEventLoop) settle();
      else { waitsForEmptyLoop = settle; channel.unref(); }
    });
    const callback = (error, result) => {
      if (called) return;
      called = true;
      const settle = () => (error !== null && error !== undefined ? fail(error) : succeed(result));
      if (context.callbackWaitsForEmptyEventLoop) { waitsForEmptyLoop = settle; channel.unref(); } else setImmediate(settle);
    };
    try {
      const event = parseEvent(invocation.payload);
      const result = CALLBACKS ? handler(event, context, callback) : handler(event, context);
      if (typeof result?.then === 'function') { // What comes first counts, the promise or a callback.
        const once = (settle) => (value) => { if (!called) { called = true; settle(value); } };
        result.then(once(succeed), once(fail));
        if (!called) {
          const isAsync = !CALLBACKS || handler.constructor.name === 'AsyncFunction';
          waitsForEmptyLoop = once(() => (isAsync ? fail(new NamedError('Runtime.NodeJsExit', NEVER_SETTLED)) : succeed(null)));
          channel.unref();
        }
      } else if (!CALLBACKS) {
        succeed(result);
      } else if (!called) { // Neither a promise nor a callback yet: when nothing is left to do, nothing will come any more.
        waitsForEmptyLoop = () => succeed(null);
        channel.unref();
      }
    } catch (error) {
      fail(error);
    }
  });
}

function next() {
  return new Promise((resolve) => {
    wanting = resolve;
    take();
  });
}

function take() {
  if (wanting === null || chunksLength < 5) return;
  if (chunks[0].length < 5) chunks = [Buffer.concat(chunks)];
  const length = 5 + chunks[0].readUInt32BE(1);
  if (chunksLength < length) return;
  const whole = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
  chunks = whole.length > length ? [whole.subarray(length)] : [];
  chunksLength -= length;
  const resolve = wanting;
  const invocation = parseInvocation(whole.subarray(5, length));
  wanting = null;
  // Timers that have become due while this process was idle come first: one of them may end it, and another will take the invocation then.
  if (performance.now() - askedAt < IDLE_MS) resolve(invocation);
  else setImmediate(() => setImmediate(resolve, invocation));
}

channel.on('data', (data) => {
  chunks.push(data);
  chunksLength += data.length;
  take();
});
channel.on('error', () => process.exit(0));
channel.on('close', () => process.exit(0));

process.on('beforeExit', () => {
  const settle = waitsForEmptyLoop;
  waitsForEmptyLoop = null;
  if (settle !== null) { channel.ref(); settle(); }
});

process.on('exit', () => {
  if (!initialised || !answered || channel.writableEnded) return;
  try {
    fs.writeSync(3, frameOf('Z', `${requestId ?? ''}\n`));
  } catch { /* The server has gone first. */ }
});

function crash(what, error, code) {
  logError(what, error);
  const document = errorDocument(error);
  if (!initialised) {
    sendAndExit(code, 'X', document);
  } else if (answered) {
    sendParting();
    sendAndExit(code, 'Z', `${requestId ?? ''}\n`);
  } else {
    sendAndExit(code, 'F', `${requestId}\n0\n`, document);
  }
}
process.on('uncaughtException', (error) => crash('Uncaught Exception', error, 129));
process.on('unhandledRejection', (reason) => {
  const name = 'Runtime.UnhandledPromiseRejection';
  const error = new NamedError(name, reason instanceof Error ? `${reason.name}: ${reason.message}` : util.format(reason));
  if (reason instanceof Error) error.stack = [`${name}: ${error.message}`, ...(reason.stack ?? '').split('\n').slice(1)].join('\n');
  crash('Unhandled Promise Rejection', error, 128);
});

async function main() {
  patchConsole();
  let handler;
  try {
    handler = await loadHandler(process.env._HANDLER);
  } catch (error) {
    logError('Uncaught Exception', error);
    sendAndExit(1, 'X', errorDocument(error));
    return;
  }
  initialised = true;
  send('I');
  for (;;) await invoke(handler, await next());
}

main();
