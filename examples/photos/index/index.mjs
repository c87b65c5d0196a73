// DynamoDB stream: announce every new photo on the queue.
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";

const sqs = new SQSClient({});

export const handler = async (event) => {
  for (const record of event.Records) {
    if (record.eventName !== "INSERT") continue;
    const photo = record.dynamodb.NewImage;
    await sqs.send(
      new SendMessageCommand({
        QueueUrl: process.env.QUEUE_URL,
        MessageBody: JSON.stringify({ photo: photo.photo.S, title: photo.title.S, width: Number(photo.width.N), height: Number(photo.height.N) }),
      }),
    );
    console.log(`announced ${photo.photo.S}`);
  }
};
