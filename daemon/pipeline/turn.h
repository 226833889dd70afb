#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/pipeline/alert_response.h"
#include "daemon/pipeline/changelog_guard.h"
#include "daemon/pipeline/commit_stage.h"
#include "daemon/pipeline/control.h"
#include "daemon/pipeline/group_membership.h"
#include "daemon/pipeline/identity.h"
#include "daemon/pipeline/learning_queue.h"
#include "daemon/pipeline/loop_context.h"
#include "daemon/pipeline/poison_search.h"
#include "daemon/pipeline/progress.h"
#include "daemon/pipeline/record_decoder.h"
#include "daemon/pipeline/rehearsal.h"
#include "daemon/pipeline/warming_up.h"
#include "daemon/registry/earlier_versions.h"
#include "daemon/registry/learner_checkpoints.h"

namespace lacuna::daemon {

/// The loop, one turn after the other: what is polled becomes a batch, which is scored and imputed while the one before commits, then
/// committed itself and learned from (docs/exactly-once.md gives the order and why). The loop's thread only.
class Turn {
 public:
  /// The context's store must be open. `quarantined`: damaged stores that lie beside it.
  Turn(LoopContext& context, std::size_t quarantined);
  /// The input has an end, and whoever waits for it wants to have learned from it by then.
  void expect_end() { ends_ = true; }

  /// True when there was work to do. What waiting mends, it waits for; an error is one that waiting cannot mend.
  Result<bool> run();
  /// Everything there is has been read, as of the last turn.
  bool all_read() const;
  /// Once all is read: some of the passes after the first (Rehearsal). False: none is left.
  Result<bool> learn_again(int passes) { return rehearsal_.go_on(passes); }
  /// At a stop, once all is read, or after a failure (`outcome`): nothing is left half done, the partitions are handed over, and what was
  /// learned is kept. Returns how it all ended.
  Status finish(Status outcome, bool until_idle);

 private:
  Status work(bool& worked);
  Status connect();
  Status recover(const Status& outcome);
  Status rejoin(const Status& why);
  Status prepare();
  void decode(Batch& batch);
  bool needs_quiet(const Batch& batch) const;
  Status fill(StagedBatch& staged);
  Status finish_in_flight();
  Status complete(StagedBatch done);
  Status last_batch(bool until_idle);
  Status publish_model();
  Status commit_alone(std::vector<streaming::OutputRecord> outputs);
  Status run_operator_commands();
  Status send_person_command(const OperatorCommand& command);
  Status send_decision(const std::shared_ptr<OperatorCommands::Asked>& asked);
  Status follow_decisions();
  std::vector<Alert> decide(const std::vector<streaming::Record>& records, std::vector<std::string>& ids);
  void answer_decisions(const std::vector<std::string>& ids, const Status& outcome);
  Status guard_changelog();
  Status persist(const std::vector<Alert>& alerts);
  Status hand_to_learner();
  Status choose_version();
  std::size_t batch_limit() const;
  Status save_checkpoint(bool alone = false);
  Status keep_earlier_version();
  std::shared_ptr<const model::ModelVersion> version_before_alerts();
  Status forget(const std::vector<std::string>& patient_ids);
  Status discard();
  void announce(const Alert& alert);
  void publish_progress(double batch_seconds);
  void out_of_reach(const Status& why);
  void sleep();

  LoopContext& context_;
  ChangelogGuard guard_;
  RecordDecoder decoder_;
  GroupMembership group_;
  CommitStage commit_;
  std::optional<StagedBatch> prepared_;  ///< waits for the one in flight
  LearnerCheckpoints checkpoints_;
  EarlierVersions earlier_versions_;
  PoisonSearch poison_search_;
  const char* stage_ = "decode";  ///< for the dead letter of what fails in it
  LearningQueue learning_queue_;
  std::shared_ptr<const model::ModelVersion> serving_;  ///< for the next batch; null before the first one
  double learner_wait_seconds_ = 0;
  std::int64_t lag_ = 0;              ///< as it was known last: who has no partitions does not know it
  std::uint64_t learned_before_ = 0;  ///< examples, when the learner was loaded
  bool ends_ = false;                 ///< expect_end()
  Rehearsal rehearsal_;
  const AlertResponse alert_response_;
  std::unique_ptr<ControlReader> control_;
  std::map<std::string, std::shared_ptr<OperatorCommands::Asked>> undecided_;  ///< published, not yet read back; by id
  std::uint64_t asked_ = 0;
  RejoinLimit rejoins_;
  EventCounts counts_;
  IdentityWatch identity_;
  WarmingUp warming_up_;
  std::uint64_t batches_ = 0, aborted_batches_ = 0;
  int aborted_in_a_row_ = 0;
  BatchDurations batch_durations_;
  Recovery recovery_;
  std::chrono::steady_clock::time_point last_checkpoint_ = context_.steady_now(), last_publication_ = last_checkpoint_;
};

}  // namespace lacuna::daemon
