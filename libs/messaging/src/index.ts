export { type Appender, createAppender } from "./appender.ts";
export { type Broker, connectBroker } from "./broker.ts";
export { type Consumer, type ConsumerOptions, createConsumer } from "./consumer.ts";
export {
  BROKER_USERS,
  type BrokerUser,
  brokerDefinitions,
  permissionsOf,
  topologyDefinitions,
} from "./definitions.ts";
export { emit, emitWith } from "./emit.ts";
export { MAX_EVENT_BYTES } from "./envelope.ts";
export { eventCounts } from "./event-count.ts";
export { keyEvent } from "./key-events.ts";
export type { Logger } from "./logger.ts";
export { createLossyProducer, type LossyProducer, type LossyProducerOptions } from "./lossy.ts";
export { countParked, dismissParked, listParked, redriveParked } from "./parked.ts";
export { type QueueDepth, queueDepths } from "./queue-depth.ts";
export { readLag } from "./relay.store.ts";
export { createRelay, type Relay } from "./relay.ts";
export {
  AUDIT_BINDING,
  AUDIT_QUEUE,
  assertConsumerQueue,
  assertTopology,
  checkTopology,
  EVENTS_EXCHANGE,
} from "./topology.ts";
