// A worker in Java, with JDBC: java -cp postgresql.jar Worker.java URL QUEUE
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;

public class Worker { // one task at a time, over one connection
    static final String POLL = "SELECT unnest(ARRAY[task_token::text, activity_type, input::text, heartbeat_details::text,"
        + " extract(epoch FROM 1000 * least(heartbeat_timeout / 2, '10 s'))::bigint::text]) FROM taskq.poll(?)";
    static final String BEAT = "SELECT CASE WHEN cancel_requested THEN 'cancel'"
        + " WHEN activity_paused OR activity_reset THEN 'release' END FROM taskq.heartbeat(?::uuid, ?::jsonb)";
    static final String REPORT = "SELECT CASE how WHEN 'complete' THEN taskq.complete(token, value::jsonb)::text"
        + " WHEN 'fail' THEN taskq.fail(token, value, last_heartbeat_details => details)::text"
        + " WHEN 'cancel' THEN taskq.report_canceled(token, details)::text"
        + " ELSE taskq.release(token, NULL, details)::text END"
        + " FROM (VALUES (?::uuid, ?, ?, ?::jsonb)) AS report (token, how, value, details)";
    interface Activity { String run(String input) throws Exception; } // JSON; a library for that is better
    static final Map<String, Activity> ACTIVITIES = Map.of("count", Worker::count,
        "decode", input -> '"' + new String(Base64.getDecoder().decode(input.replace("\"", ""))) + '"');
    static class Stop extends Error {} // not an Exception, so that activities do not catch it by accident
    static String url;
    static Connection connection;
    static volatile boolean stopping;
    static volatile String details, heard; // of the attempt: its progress, JSON; why it has to stop

    static String count(String input) throws Exception {
        for (int i = details == null ? 0 : Integer.parseInt(details); i < Integer.parseInt(input); i++) {
            progress(String.valueOf(i));
            Thread.sleep(100);
        }
        return input;
    }

    static void progress(String json) { // for activities to call; throws if they are to stop
        details = json;
        if (stopping || heard != null) throw new Stop();
    }

    static synchronized List<String> call(String sql, String... values) { // the first column; null: the attempt is over
        for (int tries = 0; ; tries++) {
            try {
                if (tries > 0 && connection != null) connection.close();
                if (connection == null || connection.isClosed()) connection = DriverManager.getConnection(url);
                PreparedStatement statement = connection.prepareStatement(sql);
                for (int i = 0; i < values.length; i++) statement.setString(i + 1, values[i]);
                ResultSet rows = statement.execute() ? statement.getResultSet() : null;
                List<String> answer = new ArrayList<>();
                while (rows != null && rows.next()) answer.add(rows.getString(1));
                statement.close();
                return answer;
            } catch (SQLException error) { // classes: connection, conflict, resources, shutdown
                boolean again = error.getSQLState().matches("(08|40|53|57).*") && !(stopping && tries > 6);
                System.err.println((again ? "trying again: " : "") + error.getMessage());
                if (error.getSQLState().equals("TQ001")) return null;
                if (!again) throw new IllegalStateException(error.getMessage());
            }
            java.util.concurrent.locks.LockSupport.parkNanos(100_000_000L << Math.min(tries, 7));
        }
    }

    public static void main(String[] args) throws Exception {
        url = args[0];
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stopping = true;
            try { main.join(); } catch (InterruptedException never) { }
        }));
        while (!stopping) {
            call("CALL taskq.wait_for_task(?, '5 s')", args[1]);
            Connection before = connection;
            call("BEGIN"); // if the connection goes before COMMIT, nothing was taken
            List<String> task = call(POLL, args[1]);
            call("COMMIT"); // if it goes with it, a heartbeat tells
            if (task.isEmpty() || connection != before && call(BEAT, task.get(0), task.get(3)) == null) continue;
            String token = task.get(0), how = "complete", value = null;
            long pause = Long.parseLong(task.get(4));
            details = task.get(3);
            heard = null;
            ScheduledExecutorService heart = Executors.newSingleThreadScheduledExecutor();
            heart.scheduleWithFixedDelay(() -> {
                List<String> answer = call(BEAT, token, details);
                heard = answer == null ? "gone" : answer.get(0);
            }, pause, pause, TimeUnit.MILLISECONDS);
            try {
                value = ACTIVITIES.getOrDefault(task.get(1), none -> { throw new Exception("no such activity type"); })
                    .run(task.get(2));
            } catch (Throwable error) {
                how = error instanceof Stop ? heard : "fail";
                value = error.toString();
            }
            heart.shutdown();
            heart.awaitTermination(1, TimeUnit.HOURS);
            try {
                call(REPORT, token, how, value, details);
            } catch (IllegalStateException refused) { // no JSON, or a zero in it: it would be so again
                call("SELECT taskq.fail(?::uuid, ?, 'InvalidOutput', non_retryable => true)", token, refused.getMessage());
            }
        }
    }
}
