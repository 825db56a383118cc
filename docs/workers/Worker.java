// A worker in Java, with JDBC: java -cp postgresql.jar Worker.java URL QUEUE
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;

public class Worker { // one task at a time, over one connection
    static final Set<String> REPEAT = Set.of("08", "40", "53", "57"); // classes of SQLSTATEs: connection, conflict, resources, shutdown
    static final String POLL = "SELECT *, least(10, extract(epoch FROM heartbeat_timeout) / 2) AS pause FROM taskq.poll(?, ?)";
    static final String BEAT = "SELECT CASE WHEN cancel_requested THEN 'cancel' WHEN activity_paused OR activity_reset THEN 'stop' END"
        + " AS heard FROM taskq.heartbeat(?::uuid, ?::jsonb, ?)";
    static final String IDENTITY = "java-" + ProcessHandle.current().pid();
    interface Activity { String run(String input, Worker worker) throws Exception; } // JSON, as text
    static final Map<String, Activity> ACTIVITIES = Map.of("count", Worker::count, "decode", Worker::decode);

    static String count(String input, Worker worker) throws Exception {
        for (int i = worker.details == null ? 0 : Integer.parseInt(worker.details); i < Integer.parseInt(input); i++) {
            worker.progress(String.valueOf(i));
            Thread.sleep(100);
        }
        return input;
    }

    static String decode(String input, Worker worker) { // a library for JSON does better
        return '"' + new String(Base64.getDecoder().decode(input.replace("\"", ""))) + '"';
    }

    static class Stop extends Error { // not an Exception, so that activities do not catch it by accident
        Stop(String why) { super(why); }
    }

    volatile boolean stopping = false;
    volatile String details; // the progress of the attempt, JSON; first that of the one before
    volatile Stop stop;
    Connection connection;

    synchronized Map<String, String> once(String sql, Object... values) throws SQLException {
        if (connection == null || connection.isClosed()) connection = DriverManager.getConnection(URL);
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < values.length; i++) statement.setObject(i + 1, values[i]);
            Map<String, String> row = new HashMap<>();
            ResultSet rows = statement.execute() ? statement.getResultSet() : null;
            if (rows != null && rows.next())
                for (int i = 1; i <= rows.getMetaData().getColumnCount(); i++) row.put(rows.getMetaData().getColumnLabel(i), rows.getString(i));
            return row;
        } catch (SQLException error) {
            if (REPEAT.contains(error.getSQLState().substring(0, 2))) connection.close();
            throw error;
        }
    }

    Map<String, String> call(String sql, Object... values) throws Exception { // again until it is done, or cannot be
        for (int tries = 0; ; tries++) {
            try {
                return once(sql, values);
            } catch (SQLException error) {
                if (!REPEAT.contains(error.getSQLState().substring(0, 2)) || stopping && tries > 6) throw error;
                System.err.println("trying again: " + error.getMessage());
            }
            Thread.sleep((long) ((100 << Math.min(tries, 7)) * (0.5 + Math.random() / 2)));
        }
    }

    Map<String, String> poll(String queue) throws Exception {
        call("CALL taskq.wait_for_task(?, '5 s')", queue);
        Connection before = connection;
        call("BEGIN"); // if the connection goes before COMMIT, nothing was taken
        Map<String, String> task = call(POLL, queue, IDENTITY);
        call("COMMIT");
        if (!task.isEmpty() && connection != before) // it went with it, perhaps: then this is TQ001
            call(BEAT, task.get("task_token"), task.get("heartbeat_details"), IDENTITY);
        return task;
    }

    void progress(String details) { // for activities to call; throws if they are to stop
        this.details = details;
        if (stop != null) throw stop;
        if (stopping) throw new Stop("shutdown");
    }

    void beat(String token) {
        try {
            String heard = call(BEAT, token, details, IDENTITY).get("heard");
            if (heard != null) stop = new Stop(heard);
        } catch (Exception error) { // such as TQ001: the attempt is over
            stop = new Stop(error.getMessage());
        }
    }

    void work(Map<String, String> task) throws Exception {
        String token = task.get("task_token"), report, type = task.get("activity_type");
        long pause = (long) (1000 * Double.parseDouble(task.get("pause")));
        Object[] values;
        details = task.get("heartbeat_details");
        stop = null;
        ScheduledExecutorService heart = Executors.newSingleThreadScheduledExecutor();
        heart.scheduleWithFixedDelay(() -> beat(token), pause, pause, TimeUnit.MILLISECONDS);
        try {
            if (!ACTIVITIES.containsKey(type)) throw new Exception("this worker has no such activity type");
            report = "complete(?::uuid, ?::jsonb, ?)";
            values = new Object[] {token, ACTIVITIES.get(type).run(task.get("input"), this), IDENTITY};
        } catch (Stop why) {
            report = why.getMessage().equals("cancel") ? "report_canceled(?::uuid, ?::jsonb, ?)" : "release(?::uuid, NULL, ?::jsonb, ?)";
            values = new Object[] {token, details, IDENTITY};
        } catch (Throwable error) {
            report = "fail(?::uuid, ?, ?, last_heartbeat_details => ?::jsonb)";
            values = new Object[] {token, error.getMessage(), error.getClass().getSimpleName(), details};
        }
        heart.shutdown();
        heart.awaitTermination(1, TimeUnit.HOURS);
        try {
            call("SELECT taskq." + report, values);
        } catch (SQLException error) {
            if (!error.getSQLState().startsWith("22")) throw error; // else no JSON, or a zero in it, and it would be so again
            call("SELECT taskq.fail(?::uuid, ?, 'InvalidOutput', non_retryable => true)", token, error.getMessage());
        }
    }

    void run(String queue) throws Exception {
        while (!stopping) {
            try {
                Map<String, String> task = poll(queue);
                if (!task.isEmpty()) work(task);
            } catch (SQLException error) {
                if (!error.getSQLState().equals("TQ001")) throw error; // nothing that a worker could help: the end
                System.err.println("not ours any more: " + error.getMessage());
            }
        }
    }

    static String URL;

    public static void main(String[] args) throws Exception {
        Worker worker = new Worker();
        Thread main = Thread.currentThread();
        URL = args[0];
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            worker.stopping = true;
            try { main.join(); } catch (InterruptedException error) { }
        }));
        worker.run(args[1]);
    }
}
