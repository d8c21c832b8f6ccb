import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.opensearch.analysis.common.CommonAnalysisPlugin;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.index.mapper.MapperExtrasPlugin;
import org.opensearch.index.reindex.ReindexPlugin;
import org.opensearch.join.ParentJoinPlugin;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.painless.PainlessPlugin;
import org.opensearch.plugins.Plugin;
import org.opensearch.search.aggregations.matrix.MatrixAggregationPlugin;
import org.opensearch.transport.Netty4Plugin;

/** One OpenSearch node on loopback: HOME HTTP_PORT TRANSPORT_PORT. Ends with its process. */
public class Main extends Node {
    Main(Environment e, Collection<Class<? extends Plugin>> plugins) {
        super(e, plugins, true);
    }

    public static void main(String[] args) throws Exception {
        Path home = Path.of(args[0]);
        Settings settings = Settings.builder()
            .put("path.home", home).put("path.data", home.resolve("data")).put("path.logs", home.resolve("logs"))
            .put("cluster.name", "bench").put("node.name", "n1").put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1").put("http.port", args[1]).put("transport.port", args[2])
            .put("http.type", "netty4").put("transport.type", "netty4")
            .put("cluster.routing.allocation.disk.threshold_enabled", false).build();
        Environment e = InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "n1");
        LogConfigurator.registerErrorListener();
        Node node = new Main(e, List.of(Netty4Plugin.class, PainlessPlugin.class, ParentJoinPlugin.class, ReindexPlugin.class,
            MapperExtrasPlugin.class, MatrixAggregationPlugin.class, CommonAnalysisPlugin.class));
        node.start();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (java.io.IOException ignored) {
                // the process ends anyway
            }
        }));
        new CountDownLatch(1).await();
    }
}
