#!/usr/bin/env python3
"""Jobs of imgbatch on a Spark cluster: lines in, lines out.

    spark-submit --master spark://HOST:7077 batch.py JOBS ANSWERS [--shards N] [OPTION OF IMGBATCH]...

JOBS is a text file, a job a line, or s3://bucket/prefix/ with --to s3://bucket/other/: all pictures under it. ANSWERS is a folder
that is not there yet; it gets an answer a line. Both are where Spark finds them: a shared file system, HDFS, an object store."""
import argparse
import json
import os
import posixpath
import shlex

from pyspark import SparkConf, SparkContext


def listed(source, target, ending):
    """A job for each picture under an s3:// prefix: the same name under another one."""
    import boto3  # only here: Spark's workers need none

    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for found in page.get("Contents", []):
            key = found["Key"]
            if key.lower().endswith((".jpg", ".jpeg", ".png", ".webp")):
                name = posixpath.splitext(key.removeprefix(prefix))[0]
                yield json.dumps({"id": key, "in": f"s3://{bucket}/{key}", "out": f"{target.rstrip('/')}/{name}.{ending}"})


def main():
    parser = argparse.ArgumentParser(usage="spark-submit batch.py JOBS ANSWERS [--shards N] [--to PREFIX] [OPTION OF IMGBATCH]...")
    parser.add_argument("jobs")
    parser.add_argument("answers")
    parser.add_argument("--shards", type=int, help="how many tasks; a task is what is done again when a machine dies (default: 8 for each core)")
    parser.add_argument("--to", help="where pictures of an s3:// prefix go")
    parser.add_argument("--ending", default="webp", help="the format of those")
    parser.add_argument("--imgbatch", default="imgbatch", help="where workers find it")
    arguments, options = parser.parse_known_args()

    context = SparkContext(conf=SparkConf().setIfMissing("spark.app.name", "imgbatch"))
    shards = arguments.shards or 8 * context.defaultParallelism
    if arguments.jobs.startswith("s3://") and arguments.to:
        jobs = context.parallelize(listed(arguments.jobs, arguments.to, arguments.ending), shards)
    else:
        jobs = context.textFile(arguments.jobs, shards)

    # A task has one core, and so has its imgbatch. Its environment is all that rdd.pipe gives it: where programs are, the settings of
    # S3, the limits of imgpipe. They travel to the workers with the task; on a network that others read, turn on Spark's encryption.
    environment = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith(("AWS_", "IMG_"))}
    command = shlex.join([arguments.imgbatch, "-j", "1", *options])
    # checkCode: an imgbatch that did not end well is no answer, and Spark gives its task to another machine. A picture that cannot be
    # read is an answer. Answers of a task are there when all of it is done, and once, however often it was tried.
    jobs.pipe(command, env=environment, checkCode=True).saveAsTextFile(arguments.answers)
    context.stop()


if __name__ == "__main__":
    main()
