// A worker and a client of the JavaScript SDK in one process: runs one orchestration for each
// feature and prints what every one came to, as one JSON document.
//
//   node program.mjs http://127.0.0.1:8080 default

import { randomUUID } from "node:crypto";
import { Metadata } from "@grpc/grpc-js";
import {
  EntityInstanceId,
  NoOpLogger,
  OrchestrationStatus,
  RetryPolicy,
  TaskEntity,
  TaskHubGrpcClient,
  TaskHubGrpcWorker,
  whenAll,
} from "@microsoft/durabletask-js";

const SECONDS_MAX = 30;
const TIMER_SECONDS = 0.5;
// The SDK works out an entity's name in lower case; the key is fresh, so that a hub can be reused.
const RUN = randomUUID();
const counterOf = (key) => new EntityInstanceId("counter", `${RUN}-${key}`);

// ---- activities ----

const square = async (_, number) => number * number;

const nothing = () => undefined;

const attempts = new Map();

function flaky(_, key) {
  const attempt = (attempts.get(key) ?? 0) + 1;
  attempts.set(key, attempt);
  if (attempt < 3) {
    throw new Error(`attempt ${attempt}`);
  }
  return attempt;
}

function broken(_, text) {
  throw new RangeError(text);
}

// ---- entities ----

class Counter extends TaskEntity {
  initializeState() {
    return { total: 0 };
  }

  add(amount) {
    this.state.total += amount;
    return this.state.total;
  }

  fail() {
    this.state.total = -1;
    throw new Error("this counter cannot do that");
  }

  get() {
    return this.state.total;
  }
}

// ---- orchestrators ----

const orchestrators = {
  async *fanOut(ctx, count) {
    const numbers = Array.from({ length: count }, (_, number) => number);
    return yield whenAll(numbers.map((number) => ctx.callActivity(square, number)));
  },

  async *parent(ctx, name) {
    return yield ctx.callSubOrchestrator("child", name);
  },

  async *child(ctx, name) {
    const squared = yield ctx.callActivity(square, name.length);
    return { greeting: `hello ${name}`, squared };
  },

  async *timer(ctx, seconds) {
    const before = ctx.currentUtcDateTime;
    yield ctx.createTimer(seconds);
    return { waited: ctx.currentUtcDateTime - before >= seconds * 1000 };
  },

  async *approval(ctx) {
    ctx.setCustomStatus({ waitingFor: "approval" });
    const approval = yield ctx.waitForExternalEvent("Approval");
    ctx.setCustomStatus({ approvedBy: approval.by });
    // Raised before the approval, and kept until now.
    const note = yield ctx.waitForExternalEvent("Note");
    return { approval, note };
  },

  async *counting(ctx, key) {
    const counter = new EntityInstanceId("counter", key);
    ctx.entities.signalEntity(counter, "add", 2);
    const signalled = yield ctx.entities.callEntity(counter, "get");
    const added = yield ctx.entities.callEntity(counter, "add", 3);
    let failure = "none";
    try {
      yield ctx.entities.callEntity(counter, "fail");
    } catch (error) {
      failure = error.failureDetails.errorMessage;
    }
    return { signalled, added, failure, afterwards: yield ctx.entities.callEntity(counter, "get") };
  },

  async *transfer(ctx, [from, to]) {
    const source = new EntityInstanceId("counter", from);
    const target = new EntityInstanceId("counter", to);
    const lock = yield ctx.entities.lockEntities(source, target);
    const isLocked = ctx.entities.isInCriticalSection().inSection;
    const left = yield ctx.entities.callEntity(source, "add", -4);
    const arrived = yield ctx.entities.callEntity(target, "add", 4);
    lock.release();
    const isLockedAfterwards = ctx.entities.isInCriticalSection().inSection;
    return { isLocked, left, arrived, isLockedAfterwards };
  },

  async *retrying(ctx, key) {
    const retry = new RetryPolicy({ maxNumberOfAttempts: 3, firstRetryIntervalInMilliseconds: 50 });
    return yield ctx.callActivity(flaky, key, { retry });
  },

  async *failing(ctx) {
    yield ctx.callActivity(broken, "out of range");
  },

  // The SDK numbers children anew after each continue-as-new: only the execution's id keeps them
  // apart.
  async *generations(ctx, { number, seen }) {
    const { squared } = yield ctx.callSubOrchestrator("child", "x".repeat(number));
    if (number === 3) {
      return [...seen, squared];
    }
    ctx.continueAsNew({ number: number + 1, seen: [...seen, squared] });
  },

  async *emptyValues(ctx, input) {
    const zero = yield ctx.callActivity(square, 0);
    const undefinedResult = yield ctx.callActivity(nothing);
    ctx.setCustomStatus("");
    return { input: input ?? null, zero, undefinedResult: undefinedResult ?? null };
  },
};

// ---- the client's side ----

async function ended(client, id) {
  const state = await client.waitForOrchestrationCompletion(id, true, SECONDS_MAX);
  return {
    status: OrchestrationStatus[state.runtimeStatus],
    ...(state.serializedOutput && { output: JSON.parse(state.serializedOutput) }),
    ...(state.serializedCustomStatus && { customStatus: JSON.parse(state.serializedCustomStatus) }),
    ...(state.failureDetails && { failure: state.failureDetails.message }),
  };
}

async function ran(client, name, input) {
  return ended(client, await client.scheduleNewOrchestration(name, input));
}

async function until(what, look) {
  const end = Date.now() + SECONDS_MAX * 1000;
  while (Date.now() < end) {
    const found = await look();
    if (found) {
      return found;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what} did not come about within ${SECONDS_MAX} s`);
}

async function approved(client) {
  const id = await client.scheduleNewOrchestration("approval");
  await client.raiseOrchestrationEvent(id, "note", ["first", null]);
  const whileWaiting = await until("the custom status", async () => {
    return (await client.getOrchestrationState(id))?.serializedCustomStatus;
  });
  // Names of events compare without regard to case.
  await client.raiseOrchestrationEvent(id, "APPROVAL", { by: "Ada" });
  return { whileWaiting: JSON.parse(whileWaiting), ...(await ended(client, id)) };
}

async function counted(client) {
  const counter = counterOf("counting");
  await client.signalEntity(counter, "add", 5);
  // A client's signal is one-way: wait for it, or the orchestration might be first.
  await until("the signal", async () => {
    const found = await client.getEntity(counter);
    return found?.includesState && found.state.total === 5;
  });
  const result = await ran(client, "counting", counter.key);
  return { ...result, state: (await client.getEntity(counter)).state };
}

async function everything(client) {
  const features = {
    fanOut: ran(client, "fanOut", 20),
    subOrchestration: ran(client, "parent", "Ada"),
    timer: ran(client, "timer", TIMER_SECONDS),
    externalEvent: approved(client),
    entity: counted(client),
    criticalSection: ran(client, "transfer", [counterOf("b").key, counterOf("a").key]),
    retry: ran(client, "retrying", RUN),
    failure: ran(client, "failing"),
    continueAsNew: ran(client, "generations", { number: 1, seen: [] }),
    emptyValues: ran(client, "emptyValues"),
  };
  const results = await Promise.all(Object.values(features));
  return Object.fromEntries(Object.keys(features).map((name, index) => [name, results[index]]));
}

async function main(endpoint, taskHub) {
  const options = {
    hostAddress: new URL(endpoint).host,
    logger: new NoOpLogger(), // it would write to standard output
    metadataGenerator: async () => {
      const metadata = new Metadata();
      metadata.set("taskhub", taskHub);
      return metadata;
    },
  };
  const worker = new TaskHubGrpcWorker(options);
  for (const [name, orchestrator] of Object.entries(orchestrators)) {
    worker.addNamedOrchestrator(name, orchestrator);
  }
  [square, nothing, flaky, broken].forEach((activity) => worker.addActivity(activity));
  worker.addNamedEntity("counter", () => new Counter());
  const client = new TaskHubGrpcClient(options);
  await worker.start();
  const results = await everything(client);
  await Promise.all([worker.stop(), client.stop()]);
  console.log(JSON.stringify(results, null, 2));
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  // A call that still waits would keep the process alive.
  process.exit(1);
});
