-- The history in Athena: tables over what `convo-worker export` prints, in
-- either of its formats, and a view with times.
--
-- Put your bucket in the place of amzn-s3-demo-bucket, and run the statements
-- one by one; of the two tables the one of your format is enough.
--
-- A table is a folder: every file in it counts, so that there are no
-- partitions to add.  A user's sessions of one day are some hundred bytes.
--
--     convo-worker export --since 90d > sessions.jsonl &&
--         aws s3 cp sessions.jsonl s3://amzn-s3-demo-bucket/convo/jsonl/
--
-- A file of the same name is replaced by the next upload.  The store forgets a
-- session after 90 days; to keep it longer give each file a name of its own,
-- such as the day of its export, and let each day's export reach back further
-- than to the last.  What lies in two files is one row in the view.
--
-- Only what was printed whole may be uploaded, hence the &&.  A file can be
-- compressed first, as sessions.jsonl.gz.

CREATE EXTERNAL TABLE convo_sessions_jsonl (
    sessionid string,
    usera string,
    userb string,
    starttime bigint,
    endtime bigint,
    duration bigint,
    expiresat bigint
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
LOCATION 's3://amzn-s3-demo-bucket/convo/jsonl/';

CREATE EXTERNAL TABLE convo_sessions_csv (
    sessionid string,
    usera string,
    userb string,
    starttime bigint,
    endtime bigint,
    duration bigint,
    expiresat bigint
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
LOCATION 's3://amzn-s3-demo-bucket/convo/csv/'
TBLPROPERTIES ('skip.header.line.count' = '1');

-- Times are UTC, durations seconds.
CREATE VIEW convo_sessions AS
SELECT DISTINCT
    sessionid,
    usera,
    userb,
    from_unixtime(starttime) AS starttime,
    from_unixtime(endtime) AS endtime,
    duration
FROM convo_sessions_jsonl;

-- For instance: sessions and minutes of each day.
SELECT
    date(starttime) AS day,
    count(*) AS sessions,
    sum(duration) / 60 AS minutes
FROM convo_sessions
GROUP BY date(starttime)
ORDER BY day;
